"""Hugging Face datasets: what was answered once is asked again only where something changed, and never for a key."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before `datasets` reads it

import datasets
from pydantic import BaseModel, SecretStr

from throughster import errors
from throughster.client import OfflineInterface, OpenAiInterface, create_interface
from throughster.emulator import Emulator, Options
from throughster.hf_datasets import fingerprint, operation_from_spec, transform
from throughster.types import Limits, Retry

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning"),  # datasets leaves its own behind
    # ... and what of it the collector meets first: its sockets, or its selector, which its own end then misses
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket fd=[0-9]+, family=1, .*:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function BaseEventLoop.__del__:pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"),
]
KEYS = ("sk-canary-0123456789", "sk-another-987654321")
PROMPT = "Say {text} in French."
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}


class Server:
    """An emulator in a thread of its own. `bodies`: of every chat request."""

    def __init__(self, **options):
        self.bodies = []
        self._emulator = Emulator(Options(request_log=self._log, **options))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def _log(self, request):
        if request.method == "POST":
            self.bodies.append(request.body)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def __enter__(self):
        self._thread.start()
        self._run(self._emulator.start())
        self.api_base = self._emulator.api_base
        return self

    def __exit__(self, *_):
        self._run(self._emulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def asked(self, action):
        """How many requests arrive while `action` runs, and what it returns."""
        before = len(self.bodies)
        result = action()
        return len(self.bodies) - before, result


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()
    gc.collect()  # here, where the filter for the loops of `datasets` holds


@pytest.fixture
def client(server):
    made = []

    def make(key=KEYS[0], model="m", **options):
        made.append(OpenAiInterface(api_base=server.api_base, api_key=key, model_name=model, **options))
        return made[-1]

    yield make
    for one in made:
        one.sync_close()


class Ask:
    """What a user writes: an object that holds a client."""

    def __init__(self, client, prompt=PROMPT, **params):
        self.client = client
        self.prompt = prompt
        self.params = params

    def request(self, text):
        return {"messages": [{"role": "user", "content": self.prompt.format(text=text)}], **self.params}

    def __call__(self, example):
        return {"answer": self.client.sync_call(self.request(example["text"])).content}


class AskBatch(Ask):
    def __call__(self, batch):
        responses = self.client.sync_batch_call([self.request(text) for text in batch["text"]])
        return {"answer": [response.content for response in responses]}


class AskAsync(Ask):
    async def __call__(self, example):
        return {"answer": (await self.client.call(self.request(example["text"]))).content}


class City(BaseModel):
    name: str


def rows(count, start=0):
    return datasets.Dataset.from_dict({"text": [f"phrase {n}" for n in range(start, start + count)]})


@pytest.fixture
def on_disk(tmp_path):
    def make(count, name="data"):
        rows(count).save_to_disk(tmp_path / name)
        return datasets.load_from_disk(tmp_path / name)

    return make


@pytest.mark.parametrize("make", [rows, "on_disk"], ids=["in-memory", "on-disk"])
def test_two_thousand_rows_in_four_processes_are_asked_once_whatever_the_key(make, request, server, client):
    dataset = (request.getfixturevalue("on_disk") if make == "on_disk" else make)(2000)
    options = {"batched": True, "batch_size": 100, "num_proc": 4}
    first, answered = server.asked(lambda: transform(dataset, AskBatch(client(KEYS[0])), "map", **options))
    second, again = server.asked(lambda: transform(dataset, AskBatch(client(KEYS[1])), "map", **options))
    assert (first, second) == (2000, 0)
    assert len(set(answered["answer"])) == 2000
    assert again["answer"] == answered["answer"]
    assert answered["text"] == dataset["text"]
    fewer, _ = server.asked(lambda: transform(dataset, AskBatch(client()), "map", batched=True, batch_size=100))
    assert fewer == 0  # the number of processes shapes nothing


@pytest.mark.parametrize(
    "changed",
    [
        lambda client: AskBatch(client(), "Say {text} in Italian."),
        lambda client: AskBatch(client(model="another")),
        lambda client: AskBatch(client(), temperature=0.5),
        lambda client: AskBatch(client(), response_format=FORMAT),
        lambda client: AskBatch(client(headers={"X-Route": "b"})),
        lambda client: Ask(client()).__call__,
    ],
    ids=["prompt", "model", "parameter", "schema", "header", "code"],
)
def test_what_shapes_the_answers_is_asked_again(changed, server, client):
    dataset = rows(5)
    transform(dataset, AskBatch(client()), batched=True)
    operation = changed(client)
    count, _ = server.asked(lambda: transform(dataset, operation, batched=isinstance(operation, AskBatch)))
    assert count == 5


@pytest.mark.parametrize(
    "same",
    [
        lambda client: AskBatch(client(limits=Limits(max_in_flight=3), retry=Retry(max_attempts=1))),
        lambda client: AskBatch(client(key=None, headers={"api-key": KEYS[0]})),
        lambda client: AskBatch(client(key=SecretStr(KEYS[1]))),
    ],
    ids=["limits", "key-in-header", "secret"],
)
def test_what_shapes_nothing_is_not_asked_again(same, server, client, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    dataset = rows(5)
    transform(dataset, AskBatch(client()), batched=True)
    operation = same(client)
    count, _ = server.asked(lambda: transform(dataset, operation, batched=True))
    assert count == 0


def test_other_data_is_asked_again(server, client):
    transform(rows(3), Ask(client()))
    assert server.asked(lambda: transform(rows(3, start=1), Ask(client())))[0] == 3


def test_keep_in_memory_and_an_own_fingerprint_are_respected(server, client):
    for expected in (3, 3):
        assert server.asked(lambda: transform(rows(3), Ask(client()), keep_in_memory=True))[0] == expected
    result = transform(rows(3), Ask(client()), new_fingerprint="mine")
    assert result._fingerprint == "mine"


def test_an_async_operation_runs_many_at_once_with_and_without_a_running_loop(server, client):
    async def notebook(operation):
        return transform(rows(40), operation)

    started, most = [0], [0]

    async def ask(example):
        started[0] += 1
        most[0] = max(most[0], started[0])
        await asyncio.sleep(0.3)
        started[0] -= 1
        return {"answer": example["text"].upper()}

    assert transform(rows(40), ask, new_fingerprint="a")["answer"][3] == "PHRASE 3"
    assert most[0] == 40
    operation = AskAsync(client())
    count, inside = server.asked(lambda: asyncio.run(notebook(operation)))
    again, outside = server.asked(lambda: transform(rows(40), operation))
    assert (count, again) == (40, 0)
    assert inside["answer"] == outside["answer"]
    count, apart = server.asked(lambda: transform(rows(41), operation, num_proc=4))
    assert count == 41
    assert apart["answer"][:40] == inside["answer"]


def test_sync_operations_work_inside_a_running_loop_and_the_client_works_on_after_forks(server, client):
    one = client()

    async def notebook():
        before = one.sync_call(Ask(one).request("hi")).content
        mapped = transform(rows(8), Ask(one), num_proc=4)
        return before, mapped, one.sync_call(Ask(one).request("hi")).content

    before, mapped, after = asyncio.run(notebook())
    assert before == after
    assert len(set(mapped["answer"])) == 8


def test_what_an_operation_raises_reaches_the_caller(client):
    def broken(example):
        raise KeyError(example["text"])

    async def broken_async(example):
        broken(example)

    async def notebook():
        return transform(rows(3), broken_async)

    for run in (lambda: transform(rows(3), broken), lambda: asyncio.run(notebook())):
        with pytest.raises(KeyError, match="phrase 0"):
            run()


def keeps_even(batch):
    return [int(text.split()[-1]) % 2 == 0 for text in batch["text"]]


class Judge(Ask):
    async def __call__(self, example):
        response = await self.client.call(self.request(example["text"]))
        return len(response.content) % 2 == 0


def test_filter(server, client):
    assert transform(rows(6), keeps_even, "filter", batched=True)["text"] == ["phrase 0", "phrase 2", "phrase 4"]
    count, kept = server.asked(lambda: transform(rows(20), Judge(client()), "filter", num_proc=2))
    again, same = server.asked(lambda: transform(rows(20), Judge(client(KEYS[1])), "filter", num_proc=2))
    assert (count, again) == (20, 0)
    assert kept["text"] == same["text"]
    assert 0 < len(kept) < 20


def test_a_dataset_dict_and_an_iterable_dataset(server, client):
    splits = datasets.DatasetDict({"train": rows(4), "test": rows(2, start=4)})
    count, mapped = server.asked(lambda: transform(splits, AskBatch(client()), batched=True))
    assert count == 6
    assert {name: len(split["answer"]) for name, split in mapped.items()} == {"train": 4, "test": 2}
    assert server.asked(lambda: transform(splits, AskBatch(client(KEYS[1])), batched=True))[0] == 0
    lazy = transform(rows(3).to_iterable_dataset(), AskAsync(client()))
    assert [row["answer"] for row in lazy] == mapped["train"]["answer"][:3]

    async def notebook():
        return list(transform(rows(3).to_iterable_dataset(), AskAsync(client())))

    assert [row["answer"] for row in asyncio.run(notebook())] == mapped["train"]["answer"][:3]


def test_a_wrong_method_is_told():
    with pytest.raises(errors.RequestError, match="`map` or `filter`"):
        transform(rows(1), keeps_even, "apply")


# -- plain dataset.map ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_proc", [None, 4])
@pytest.mark.parametrize("kind", ["explicit", "environment"])
def test_a_plain_map_does_not_ask_again_for_another_key(kind, num_proc, on_disk, server, client, monkeypatch):
    dataset = on_disk(40)
    counts = []
    for key in KEYS:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        operation = AskBatch(client(key if kind == "explicit" else None))
        count, mapped = server.asked(lambda op=operation: dataset.map(op, batched=True, num_proc=num_proc))
        counts.append(count)
        assert len(set(mapped["answer"])) == 40
    assert counts == [40, 0]
    another = AskBatch(client(model="another"))
    assert server.asked(lambda: dataset.map(another, batched=True, num_proc=num_proc))[0] == 40


def test_worker_processes_get_the_key(server):
    with Server(api_key=KEYS[0]) as guarded:
        one = OpenAiInterface(api_base=guarded.api_base, api_key=KEYS[0], model_name="m")
        assert len(rows(8).map(Ask(one), num_proc=2)["answer"]) == 8
        assert len(transform(rows(8), Ask(one), num_proc=2)["answer"]) == 8


PLAIN = """
import datasets, sys
from datasets.fingerprint import Hasher
from throughster import create_interface
class Ask:
    def __init__(self, client): self.client = client
    def __call__(self, example): return {}
print(Hasher.hash(Ask(create_interface("openai", model_name="m"))), "throughster.hf_datasets" in sys.modules)
"""

OWN = """
from pydantic import BaseModel
from throughster import create_interface
from throughster.hf_datasets import fingerprint
WORDS = {"one", "two", "three", "four"}
class City(BaseModel):
    name: str
def helper(text):
    return text in {"a", "b", "c"} and len(WORDS) > 2
class Ask:
    schema = City
    def __init__(self, client, *prompts): self.client, self.prompts = client, set(prompts)
    async def __call__(self, example, kind=City): return {"a": [helper(x) for x in example], "b": kind}
print(fingerprint(Ask(create_interface("openai", model_name="m"), "a", "b", "c")))
"""


def in_process(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
    )
    return result.stdout


@pytest.mark.parametrize("code", [PLAIN, OWN], ids=["plain", "own"])
def test_fingerprints_are_the_same_in_every_process(code):
    outputs = {in_process(code, OPENAI_API_KEY=KEYS[n % 2], PYTHONHASHSEED=str(n)) for n in range(2)}
    assert len(outputs) == 1
    assert "True" not in outputs.pop()


def test_a_map_with_processes_leaves_no_noise(server):
    code = f"""
import datasets
from throughster import create_interface
from throughster.hf_datasets import transform
class Ask:
    def __init__(self, client): self.client = client
    def __call__(self, example):
        return {{"a": self.client.sync_call({{"messages": [{{"role": "user", "content": example["t"]}}]}}).content}}
datasets.disable_progress_bars()
client = create_interface("openai", model_name="m", api_base={server.api_base!r})
print(len(transform(datasets.Dataset.from_dict({{"t": list("abcd")}}), Ask(client), num_proc=2)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(datasets.config.HF_DATASETS_CACHE)},
    )
    assert (result.stdout, result.stderr) == ("4\n", "")


def test_without_the_library_the_import_says_what_to_install():
    code = "import sys; sys.modules['datasets'] = None\nimport throughster.hf_datasets"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr.splitlines()[-1].endswith("pip install 'throughster[hf]'")


# -- fingerprints --------------------------------------------------------------------------------------------------


def module_of(source, name="operations"):
    module = ModuleType(name)
    module.__file__ = f"/home/someone/{name}.py"
    sys.modules[name] = module
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    return module


SOURCE = """
PROMPT = "Say it."
LIMIT = 3
def helper(x):
    return x + PROMPT
def operation(example, count=1):
    return [helper(example) for _ in range(LIMIT)], (lambda y: y + 1)(count)
class Operation:
    kind = "a"
    def __call__(self, example):
        return helper(example)
"""


@pytest.mark.parametrize("name", ["operation", "Operation"])
@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"Say it."', '"Say that."', False),
        ("x + PROMPT", "PROMPT + x", False),
        ("LIMIT = 3", "LIMIT = 4", None),
        ("count=1", "count=2", None),
        ("y + 1", "y + 2", None),
        ("PROMPT =", "\n\n# moved down\nPROMPT =", True),
        ("def helper", "UNUSED = 7\ndef helper", True),
    ],
)
def test_the_code_of_imported_operations_counts_but_not_where_it_stands(name, old, new, same):
    assert old in SOURCE
    before = fingerprint(getattr(module_of(SOURCE), name))
    after = fingerprint(getattr(module_of(SOURCE.replace(old, new)), name))
    expected = name == "Operation" if same is None else same
    assert (before == after) is expected


def test_a_changed_pydantic_model_counts():
    class Other(BaseModel):
        name: int

    Other.__name__ = Other.__qualname__ = "City"
    assert fingerprint(City) != fingerprint(Other)
    assert fingerprint(partial(keeps_even, schema=City)) == fingerprint(partial(keeps_even, schema=City))


def test_keys_never_count_and_everything_else_of_a_client_does(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEYS[0])
    monkeypatch.setenv("OPENAI_MODEL_NAME", "m")
    one = create_interface("openai")
    monkeypatch.setenv("OPENAI_API_KEY", KEYS[1])
    assert fingerprint(one) == fingerprint(create_interface("openai")) == fingerprint(OpenAiInterface(api_key="k"))
    monkeypatch.setenv("OPENAI_MODEL_NAME", "another")
    assert fingerprint(one) != fingerprint(create_interface("openai"))
    assert fingerprint(one) != fingerprint(OpenAiInterface(model_name="m", api_base="http://127.0.0.1:1/v1"))
    assert fingerprint(OfflineInterface()) == fingerprint(OfflineInterface())
    assert fingerprint(SecretStr("a")) == fingerprint(SecretStr("b"))


def test_cycles_end_and_shared_values_do_not_matter():
    first, second = [1], [1]
    first.append(first)
    second.append(second)
    assert fingerprint(first) == fingerprint(second)
    part = ["x"]
    assert fingerprint([part, part]) == fingerprint([["x"], ["x"]])
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a", "b"}) == fingerprint(frozenset({"b", "a"}))
    assert fingerprint(1) != fingerprint(True) != fingerprint("True")


def test_what_cannot_be_told_apart_is_refused_before_anything_is_sent(server, client):
    operation = Ask(client())
    operation.lock = threading.Lock()
    with pytest.raises(errors.RequestError, match=r"\['lock'\], a lock.*__getstate__.*new_fingerprint"):
        transform(rows(2), operation)
    assert server.asked(lambda: transform(rows(2), operation, new_fingerprint="mine"))[0] == 2


# -- operations from specs -----------------------------------------------------------------------------------------

SPEC = """\
version: 1
provider: {{name: vllm, model: m, api_base: "{base}"}}
prompt: Translate "{{{{ text }}}}" to {{{{ language }}}}.
vars: {{language: French}}
"""
SCHEMA = """\
output:
  schema:
    type: object
    properties: {translation: {type: string}, formal: {type: boolean}}
    required: [translation]
    additionalProperties: false
"""


@pytest.fixture
def vllm():
    with Server(dialect="vllm") as running:
        yield running


@pytest.fixture
def spec(tmp_path, vllm):
    def write(more="", old="", new=""):
        (tmp_path / "throughster.toml").write_text("")
        path = tmp_path / "spec.yaml"
        path.write_text((SPEC.format(base=vllm.api_base) + more).replace(old, new))
        return path

    return write


@pytest.mark.parametrize("options", [{}, {"batched": True, "batch_size": 3}, {"num_proc": 4}], ids=str)
def test_an_operation_from_a_spec(options, spec, vllm):
    operation = operation_from_spec(spec())
    count, mapped = vllm.asked(lambda: transform(rows(8), operation, **options))
    assert count == 8
    assert mapped.column_names == ["text", "output", "output_error"]
    assert len(set(mapped["output"])) == 8
    assert set(mapped["output_error"]) == {""}
    assert {"role": "user", "content": 'Translate "phrase 3" to French.'} in [b["messages"][0] for b in vllm.bodies]
    assert vllm.asked(lambda: transform(rows(8), operation_from_spec(spec()), **options))[0] == 0


def test_an_operation_from_a_spec_has_its_key_in_worker_processes_too(spec, monkeypatch):
    with Server(dialect="vllm", api_key=KEYS[0]) as guarded:
        monkeypatch.setenv("VLLM_API_BASE", guarded.api_base)
        monkeypatch.setenv("VLLM_API_KEY", KEYS[0])
        operation = operation_from_spec(spec(old="model: m, api_base:", new="model: m, label:"))
        assert len(transform(rows(4), operation, num_proc=2)["output"]) == 4
        assert KEYS[0].encode() not in pickle.dumps(operation)
        monkeypatch.delenv("VLLM_API_KEY")
        with pytest.raises(errors.SettingsError, match="VLLM_API_KEY"):
            pickle.loads(pickle.dumps(operation))


def test_a_plain_map_asks_again_when_the_environment_names_another_model(on_disk, server, monkeypatch):
    dataset = on_disk(3)
    monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
    for model in ("m", "another"):
        monkeypatch.setenv("OPENAI_MODEL_NAME", model)
        with_environment = create_interface("openai")
        assert server.asked(lambda one=with_environment: dataset.map(Ask(one)))[0] == 3
        with_environment.sync_close()


def test_an_operation_from_a_spec_in_a_plain_map(spec, vllm, on_disk):
    dataset = on_disk(4)
    with operation_from_spec(spec(SCHEMA), column="french") as operation:
        whole = dataset.map(operation)
        assert dataset.map(operation, batched=True)["french"] == whole["french"]
    assert isinstance(whole[0]["french"]["translation"], str)
    assert vllm.asked(lambda: dataset.map(operation_from_spec(spec(SCHEMA), column="french"), num_proc=2))[0] == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"old": "Translate", "new": "Render"},
        {"old": "model: m", "new": "model: n"},
        {"old": "model: m", "new": "model: m, params: {temperature: 0.5}"},
        {"more": SCHEMA},
        {"old": "French", "new": "Italian"},
    ],
    ids=["prompt", "model", "parameter", "schema", "variable"],
)
def test_a_changed_spec_is_asked_again_and_moved_or_slower_ones_are_not(changed, spec, vllm, tmp_path, monkeypatch):
    transform(rows(3), operation_from_spec(spec()))
    monkeypatch.setenv("VLLM_API_KEY", KEYS[1])
    unchanged = operation_from_spec(spec(), concurrency=3, retry={"max_attempts": 2})
    assert vllm.asked(lambda: transform(rows(3), unchanged))[0] == 0
    operation = operation_from_spec(spec(**changed))
    assert vllm.asked(lambda: transform(rows(3), operation))[0] == 3


def test_a_changed_prompt_file_is_asked_again(spec, vllm, tmp_path):
    path = spec(old='prompt: Translate "{{ text }}" to {{ language }}.', new="prompt: {file: p.j2}")
    (tmp_path / "p.j2").write_text("{% include 'rules.j2' %} {{ text }} {{ language }}")
    (tmp_path / "rules.j2").write_text("Be polite.")
    transform(rows(3), operation_from_spec(path))
    assert vllm.asked(lambda: transform(rows(3), operation_from_spec(path)))[0] == 0
    (tmp_path / "rules.j2").write_text("Be terse.")
    assert vllm.asked(lambda: transform(rows(3), operation_from_spec(path)))[0] == 3


def test_optional_keys_have_a_place_in_every_row(spec):
    mapped = transform(rows(3), operation_from_spec(spec(SCHEMA)))
    assert mapped.features["output"] == {
        "translation": datasets.Value("string"),
        "formal": datasets.Value("bool"),
    }
    assert all(set(output) == {"translation", "formal"} for output in mapped["output"])


def test_a_missing_column_is_told_before_anything_is_sent(spec, vllm):
    operation = operation_from_spec(spec(old="text }", new="txt }"))
    with pytest.raises(errors.SpecError, match=r"`txt` is undefined.*Did you mean `text`"):
        transform(rows(3), operation)
    assert vllm.bodies == []


def test_a_rows_failure_stands_in_its_row_and_a_services_failure_is_raised(spec, vllm):
    cut = operation_from_spec(
        spec(), provider={"name": "vllm", "model": "m", "api_base": vllm.api_base, "params": {"max_tokens": 1}}
    )
    assert all(error.startswith("TruncatedError") for error in transform(rows(2), cut)["output_error"])
    strict = operation_from_spec(
        spec(SCHEMA),
        provider={"name": "vllm", "model": "m", "api_base": vllm.api_base, "params": {"max_tokens": 1}},
    )
    mapped = transform(rows(2), strict)
    assert mapped["output"] == [None, None]
    assert all(error.startswith("TruncatedError") for error in mapped["output_error"])
    gone = operation_from_spec(
        spec(), provider={"name": "vllm", "model": "m", "api_base": "http://127.0.0.1:9/v1"}, retry={"max_attempts": 1}
    )
    for batched in (False, True):
        with pytest.raises(errors.TransportError):
            transform(rows(2), gone, batched=batched)


@pytest.mark.parametrize("batched", [False, True])
def test_a_filter_by_a_spec_needs_true_or_false(batched, spec, vllm):
    judge = operation_from_spec(spec("output: {schema: {type: boolean}}\n"))
    count, kept = vllm.asked(lambda: transform(rows(20), judge, "filter", batched=batched))
    assert count == 20
    assert 0 < len(kept) < 20
    with pytest.raises(errors.RequestError, match="type: boolean"):
        transform(rows(2), operation_from_spec(spec()), "filter", batched=batched)


@pytest.mark.parametrize(
    ("more", "found"),
    [("matrix: {language: [French, Spanish]}\n", "`matrix`"), ("tools: [{name: t, parameters: {}}]\n", "`tools`")],
)
def test_a_spec_that_gives_no_single_answer_is_refused(more, found, spec):
    with pytest.raises(errors.SpecError, match=found):
        operation_from_spec(spec(more))


def test_a_bad_spec_is_refused_with_its_problems(spec, tmp_path):
    with pytest.raises(errors.SpecError, match="promt"):
        operation_from_spec(spec(old="prompt:", new="promt:"))
    with pytest.raises(errors.SpecError, match="does not exist"):
        operation_from_spec(tmp_path / "nowhere.yaml")


def test_the_demo_spec_translates_a_dataset():
    path = Path(__file__).parents[1] / "specs" / "translate.yaml"
    phrases = datasets.Dataset.from_dict({"text": ["Happy birthday!"]})
    operation = operation_from_spec(path, column="french", matrix={}, vars={"language": "French"})
    mapped = transform(phrases, operation)
    assert mapped[0]["french"] == {"translation": "Joyeux anniversaire !"}
