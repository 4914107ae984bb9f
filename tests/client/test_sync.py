"""Sync twins, copies, loops, threads and processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import inspect
import multiprocessing
import pickle
from pathlib import Path

import cloudpickle
import dill
import pytest
from pydantic import BaseModel

from throughster import errors
from throughster.client import CLIENTS, OpenAiInterface, VllmInterface, create_interface
from throughster.client.portal import run_in_portal
from throughster.emulator import Emulator, Options
from throughster.types import Attempt, Limits, Retry

ASK = {"messages": [{"role": "user", "content": "Say hi"}]}
KEY = "sk-canary-0123456789"


class Person(BaseModel):
    name: str


def test_sync_twins_in_a_script():
    client = create_interface("offline")
    whole = client.sync_call(ASK).content
    assert whole
    assert "".join(client.sync_stream(ASK)) == whole
    assert isinstance(client.sync_structured_call(ASK, Person).validated_schema, Person)
    assert [r.content for r in client.sync_batch_call([ASK] * 3)] == [whole] * 3
    assert [type(r.validated_schema) for r in client.sync_structured_batch_call([ASK] * 2, Person)] == [Person] * 2
    assert client.sync_tools_call(ASK, [Person]).validated_schema
    assert client.sync_list_models()
    client.sync_close()


def test_sync_twins_inside_a_running_loop():
    async def notebook():
        client = create_interface("offline")
        content = client.sync_call(ASK).content
        client.sync_close()
        return content

    assert asyncio.run(notebook())


def test_sync_twins_in_four_threads():
    client = create_interface("offline")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        contents = set(pool.map(lambda _: client.sync_call(ASK).content, range(40)))
    client.sync_close()
    assert len(contents) == 1


def test_a_sync_stream_that_is_left_early_frees_its_place(scripted):
    """With one place in all, the next call would wait for ever."""
    chunk = b'data: {"choices":[{"delta":{"content":"word "}}]}\n\n'
    seen = []

    def reply(body, _):
        seen.append(body)
        end = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        return chunk * 100_000 + end if body.get("stream") else {"choices": [{"message": {"content": "hi"}}]}

    with scripted(reply) as base:
        client = OpenAiInterface(api_base=f"{base}/v1", model_name="m", limits=Limits(max_in_flight=1, adaptive=False))
        streams, stream = [], client.stream
        client.stream = lambda request: streams.append(stream(request)) or streams[-1]  # so that no collector ends it
        texts = client.sync_stream(ASK)
        assert next(texts) == "word "
        waiting = concurrent.futures.ThreadPoolExecutor(1).submit(client.sync_call, ASK)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        texts.close()
        assert waiting.result(timeout=10).content == "hi"
        client.sync_close()
    assert [body.get("stream", False) for body in seen] == [True, False]


def test_a_sync_call_from_a_sync_calls_own_loop_is_refused():
    client = create_interface("offline")

    def tool() -> str:
        return "x"

    async def inner(text: str = "") -> str:
        client.sync_call(ASK)
        return text

    with pytest.raises(RuntimeError, match="await the async one"):
        client.sync_call({**ASK, "tools": [inner]})
    client.sync_close()


def test_a_tool_that_exits_ends_its_own_call_only():
    client = create_interface("offline")

    def leave(text: str = "") -> str:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        client.sync_call({**ASK, "tools": [leave]})
    assert client.sync_call(ASK).content
    client.sync_close()


def test_one_client_in_several_event_loops():
    client = create_interface("offline")

    async def once():
        async with client:
            return (await client.call(ASK)).content

    assert len({asyncio.run(once()) for _ in range(3)}) == 1


def test_a_sync_client_that_is_forgotten_closes_its_connections():
    async def scenario():
        async with Emulator(Options(dialect="vllm")) as server:
            await asyncio.to_thread(use_and_forget, server.api_base)

    def use_and_forget(api_base):
        client = VllmInterface(api_base=api_base, model_name="m")
        assert client.sync_call(ASK).content
        (session,) = client._transport._sessions.values()
        del client
        gc.collect()
        run_in_portal(asyncio.sleep(0))
        assert session.closed

    asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loops_that_ended_without_closing_the_client_leave_nothing_open():
    client = create_interface("offline")

    def open_files_after(runs):
        for _ in range(runs):
            asyncio.run(client.call(ASK))
        gc.collect()
        return len(list(Path("/dev/fd").iterdir()))

    assert open_files_after(5) == open_files_after(10)

    async def last():
        async with client:
            return (await client.call(ASK)).content

    assert asyncio.run(last())
    gc.collect()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork")
def test_a_client_in_another_process(method):
    client = create_interface("offline")
    here = client.sync_call(ASK).content
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        assert pool.apply_async(client.sync_call, (ASK,)).get(timeout=30).content == here
        pool.close()
        pool.join()
    client.sync_close()


@pytest.mark.parametrize("pickler", [pickle, cloudpickle, dill], ids=lambda module: module.__name__)
def test_a_copy_has_the_configuration_and_no_borrowed_key(pickler, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    client = create_interface("openai", model_name="m", limits=Limits(max_in_flight=7), retry=Retry(max_attempts=2))
    data = pickler.dumps(client)
    assert KEY.encode() not in data
    copy = pickler.loads(data)
    assert copy.source == "openai:m"
    assert copy._config["limits"].max_in_flight == 7
    assert copy.address.key.get_secret_value() == KEY
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}-2\n")
    assert pickler.loads(data).address.key.get_secret_value() == f"{KEY}-2"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(errors.SettingsError, match="OPENAI_API_KEY"):
        pickler.loads(data)


def test_an_explicit_key_travels_and_shows_nowhere():
    client = OpenAiInterface(api_key=KEY, model_name="m")
    assert pickle.loads(pickle.dumps(client)).address.key.get_secret_value() == KEY
    assert KEY not in repr(client)
    assert KEY not in repr(client.__dict__)


def test_a_used_client_pickles():
    async def scenario():
        async with Emulator(Options(dialect="vllm")) as server:
            async with VllmInterface(api_base=server.api_base, model_name="m") as client:
                first = await client.call(ASK)
                async with pickle.loads(pickle.dumps(client)) as copy:
                    return first.content == (await copy.call(ASK)).content

    assert asyncio.run(scenario())


def error_classes():
    return [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.ThroughsterError)]


@pytest.mark.parametrize("pickler", [pickle, cloudpickle, dill], ids=lambda module: module.__name__)
@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_pickles(cls, pickler):
    error = cls("what happened")
    if isinstance(error, errors.ProviderError):
        error = cls("what happened", http_status=429, code="c", request_id="r", retry_after_s=2.0)
        error.with_attempts([Attempt(1, "transport", 429, "x", 0.0)])
    copy = pickler.loads(pickler.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (cls, str(error), error.__dict__)


def test_every_method_has_its_sync_twin():
    names = [
        "call",
        "structured_call",
        "batch_call",
        "structured_batch_call",
        "stream",
        "tools_call",
        "nlg_evaluation",
        "list_models",
    ]
    assert len(CLIENTS) >= 4
    for cls in CLIENTS.values():
        assert all(callable(getattr(cls, name)) and callable(getattr(cls, f"sync_{name}")) for name in names)
