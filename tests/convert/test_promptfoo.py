"""promptfoo configurations: each key is carried, or told."""

from __future__ import annotations

import json

import pytest

from throughster.convert.promptfoo import TOP_KEYS
from throughster.spec import load_spec
from throughster.yamltree import parse_yaml

MINIMAL = """\
prompts: ["Say {{ word }}."]
providers: [openai:chat:gpt-4.1-mini]
tests: [{vars: {word: hi}, assert: [{type: is-json}]}]
"""


def providers(converted, text):
    return converted(f"prompts: [Say hi.]\nproviders: {text}\ntests: [{{assert: [{{type: is-json}}]}}]\n")


# -- top level ------------------------------------------------------------------------------------------------------------


def test_the_whole_of_a_small_configuration(converted):
    found = converted(MINIMAL + "description: 'Say: it'\ntags: {team: words}\noutputPath: [out/a.json, b.csv, c.txt]\n")
    spec = found.spec
    assert found.code == 0
    assert (spec.description, spec.tags, spec.outputs) == ("Say: it", ("team:words",), ("a.jsonl", "b.csv"))
    assert spec.prompt.messages[0].content == "Say {{ word }}."
    (provider,) = spec.each_provider
    assert (provider.name, provider.model) == ("openai", "gpt-4.1-mini")
    assert provider.params == {"temperature": 0, "max_tokens": 1024}, "what promptfoo sends by itself"
    assert [loss["what"] for loss in found.losses] == ["`outputPath`", "`outputPath`"]


def test_every_unknown_key_is_told_with_its_place_and_the_nearest(converted):
    found = converted(MINIMAL + "asserts: []\nsharing: false\nderivedMetrics: [{name: f, value: a}]\n")
    loss = found.loss("asserts")
    assert (loss["line"], loss["column"], loss["severity"]) == (4, 1, "changes")
    assert "knows no such key" in loss["why"]
    assert loss["todo"] == "Did you mean the `assert` of a test?"
    assert found.code == 1
    found = converted(MINIMAL.replace("tests:", "test:"))
    assert (found.loss("`test`")["todo"], found.code) == ("Did you mean `tests`?", 1)


@pytest.mark.parametrize(
    "key", ["x-team-notes: 1", "descripton: x", "zzz: {a: 1}", "evaluateOptions: {showProgresBar: false}"]
)
def test_an_unknown_key_that_says_nothing_of_checks_is_harmless(converted, key):
    found = converted(MINIMAL + key + "\n")
    assert (found.code, [loss["severity"] for loss in found.losses]) == (0, ["harmless"])


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ("{vars: {word: a}, asserts: [{type: is-json}]}", "`test.asserts`"),
        ("{vars: {word: a}, notes: x, assert: [{type: is-json}]}", "`test.notes`"),
        ("{vars: {word: a}, assert: [{type: contains, value: x, treshold: 1}]}", "`contains.treshold`"),
        ("{vars: {word: a}, assert: {type: is-json}}", "`assert`"),
        ("{vars: {word: a}, assert: [{type: is-json}], threshold: 0}", "`test.threshold`"),
        ("{vars: {word: a}, assert: [{type: assert-set, threshold: 0, assert: [{type: is-json}]}]}", "`assert-set.thr"),
    ],
)
def test_a_test_that_checks_less_than_it_says_is_exit_1(converted, command, test, what):
    text = MINIMAL.partition("tests:")[0] + f"tests: [{test}]\n"
    found = converted(text)
    assert (found.code, found.loss(what)["severity"]) == (1, "changes")
    strict = command("convert", "promptfooconfig.yaml", "-o", "other", "--strict")
    assert (strict.code, "nothing was written" in strict.out) == (1, True)


def test_a_threshold_of_0_counts_for_the_checks_of_all_tests_too(converted):
    text = (
        MINIMAL.partition("tests:")[0]
        + "defaultTest: {assert: [{type: is-json}]}\ntests: [{vars: {word: a}, threshold: 0}]\n"
    )
    assert "no check can fail" in converted(text).loss("`test.threshold`")["why"]


def test_checks_that_are_no_list_leave_a_test_that_cannot_fail(converted):
    text = MINIMAL.partition("tests:")[0] + "tests: [{vars: {word: a}, assert: {type: is-json}}]\n"
    found = converted(text)
    assert "can no longer fail" in found.loss("`assert`")["why"]
    assert any("a row of `data` now, which cannot fail" in loss for loss in found.grave)


def test_files_outside_the_project_are_told_as_such_wherever_they_are_named(converted):
    for name in ("../../../etc/passwd", "../../../etc/passwd.csv", "../../../etc/nowhere.yaml"):
        text = MINIMAL.partition("tests:")[0] + f"tests: file://{name}\n"
        assert "outside the project" in converted(text).loss("file://")["why"]


@pytest.mark.parametrize(
    "key", [key for key in TOP_KEYS if key not in ("prompts", "providers", "targets", "tests", "scenarios")]
)
def test_no_key_vanishes_whatever_its_value(converted, key):
    """A value of the wrong kind is told too, or stands in the spec."""
    found = converted(MINIMAL + f"{key}: [canary]\n")
    assert f"`{key}" in json.dumps(found.losses) or "canary" in found.text


@pytest.mark.parametrize("key", ["redteam: {}", "extensions: ['file://x.py:f']", "tracing: {enabled: true}"])
def test_what_changes_the_meaning_is_exit_1(converted, key):
    found = converted(MINIMAL + key + "\n")
    assert found.code == 1
    assert found.loss(key.partition(":")[0])["severity"] == "changes"


def test_options_of_a_run(converted):
    options = "{repeat: 3, maxConcurrency: 5, cache: true, timeoutMs: 30000, showProgressBar: false, maxEvalTimeMs: 9}"
    found = converted(MINIMAL + f"evaluateOptions: {options}\n")
    spec = found.spec
    assert (spec.repeat, spec.concurrency.max_in_flight, spec.cache, spec.timeout.total_s) == (3, 5, "on", 30)
    assert [loss["what"] for loss in found.losses if loss["severity"] == "changes"] == [
        "`evaluateOptions.maxEvalTimeMs`"
    ]
    slow = converted(MINIMAL + "commandLineOptions: {delay: 500, filterFirstN: 3}\n")
    assert slow.spec.concurrency.requests_per_minute == 120
    assert slow.spec.concurrency.max_in_flight == 1
    assert slow.loss("filterFirstN")["todo"] == "Say it with `--limit`."


def test_references_anchors_and_merge_keys_are_carried_out(converted, here):
    (here / "more.yaml").write_text("checks: {kind: {type: icontains, value: kind}}\n")
    text = """\
prompts: [Say hi.]
providers: [openai:gpt-4.1]
base: &base {assert: [{type: is-json}], threshold: 0.5}
assertionTemplates: {short: {type: word-count, value: {max: 3}}}
tests:
  - threshold: 0.75
    <<: *base
    description: merged
  - assert: [{$ref: '#/assertionTemplates/short'}, {$ref: 'more.yaml#/checks/kind', value: kindly}]
"""
    found = converted(text)
    first, second = found.spec.tests
    assert (first.description, first.threshold, first.checks[0].type) == ("merged", 0.75, "is-json")
    assert [(check.type, check.value) for check in second.checks] == [
        ("word-count", {"max": 3}),
        ("icontains", "kindly"),
    ]
    assert [loss["what"] for loss in found.losses] == ["`base`"], "what `$ref` names has been carried"


# -- prompts --------------------------------------------------------------------------------------------------------------


def test_several_prompts_become_specs_that_share_their_cases(converted, here):
    text = """\
prompts:
  - {id: a, label: Short one, raw: "Say {{ word }}."}
  - {id: b, label: Long one, raw: "Say {{ word }}, at length.", config: {temperature: 0.9}}
providers: [openai:chat:gpt-4.1-mini, {id: openai:chat:gpt-4.1, label: large, prompts: [Long one]}]
tests:
  - {vars: {word: [hi, ho]}, assert: [{type: is-json}]}
  - {vars: {word: hu}, prompts: [a], assert: [{type: is-json}]}
"""
    found = converted(text)
    name = here.name.replace("_", "-")
    assert sorted(path.rpartition("/")[2].removeprefix(name) for path in found.specs) == [
        "-long-one.yaml",
        "-short-one.yaml",
    ]
    long, short = (load_spec(path) for path in sorted(found.specs))
    assert [provider.shown_label for provider in short.each_provider] == ["openai:gpt-4.1-mini"]
    assert [provider.params["temperature"] for provider in long.each_provider] == [0.9, 0.9]
    assert [provider.shown_label for provider in long.each_provider] == ["openai:gpt-4.1-mini", "large"]
    cases = [parse_yaml((here / "out" / spec.tests).read_bytes(), "cases")[0].value() for spec in (short, long)]
    assert [case["vars"]["word"] for case in cases[0]] == ["hi", "ho", "hu"]
    assert [case["vars"]["word"] for case in cases[1]] == ["hi", "ho"]


def test_prompts_in_files(converted, here):
    (here / "p").mkdir()
    (here / "p/two.txt").write_text("One {{ word }}\n---\nTwo {{ word }}\n\n")
    (here / "p/chat.yaml").write_text(
        "- {role: system, content: Be brief.}\n- {role: user, content: 'Say {{ word }}'}\n"
    )
    (here / "p/lines.jsonl").write_text('[{"role": "user", "content": "Line {{ word }}"}]\n')
    (here / "p/table.csv").write_text('prompt,label\n"Cell {{ word }}",cell\n')
    (here / "p/code.py").write_text("")
    names = (
        "[file://p/two.txt, file://p/chat.yaml, p/lines.jsonl, file://p/table.csv, file://p/code.py, 'file://p/no.txt']"
    )
    found = converted(MINIMAL.replace('["Say {{ word }}."]', names))
    prompts = {load_spec(path).prompt.messages for path in found.specs}
    said = sorted(tuple((m.role, m.content) for m in messages) for messages in prompts)
    assert said == [
        (("system", "Be brief."), ("user", "Say {{ word }}")),
        (("user", "Cell {{ word }}"),),
        (("user", "Line {{ word }}"),),
        (("user", "One {{ word }}"),),
        (("user", "Two {{ word }}"),),
    ]
    assert sorted(loss["what"] for loss in found.losses if loss["severity"] == "changes") == [
        "`file://p/code.py`",
        "`file://p/no.txt`",
    ]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        ('[{"role": "user", "content": "Say {{ word }}"}]', "Say {{ word }}"),
        ('[{"role": "user", "content": {{ word | dump }}}]', "{{ word }}"),
        ('{"not": "a chat {{ word }}"}', '{"not": "a chat {{ word }}"}'),
        ("- role: user\n  content: Say {{ word }}", "Say {{ word }}"),
        ("[Say {{ word }}", "[Say {{ word }}"),
    ],
)
def test_chats_in_texts(converted, raw, body):
    found = converted(MINIMAL.replace('["Say {{ word }}."]', json.dumps([raw])))
    assert [message.content for message in found.spec.prompt.messages] == [body]


def test_variables_of_the_environment_are_given_at_the_run(converted, here, command):
    found = converted(MINIMAL.replace("Say {{ word }}.", "Say {{ word }} to {{ env.WHOM }}."))
    assert found.code == 1
    assert "--var WHOM=..." in found.loss("env.WHOM")["todo"]
    assert "{{ word }} to {{ WHOM }}" in found.text
    (spec,) = found.specs
    assert command("check", spec, "--provider", "offline").code == 2, "a run without it must not be green"
    assert command("check", spec, "--provider", "offline", "--var", "WHOM=Ada").code == 0


def test_variables_that_a_test_lacks_print_nothing_as_there(converted):
    text = MINIMAL.replace("Say {{ word }}.", "Say {{ word }}{{ txet }}{{ tone }}.")
    found = converted(text.replace("tests: [", "tests: [{vars: {word: a, tone: b}, assert: [{type: is-json}]}, "))
    assert found.spec.vars == {"txet": "", "tone": ""}
    assert found.loss("`txet`")["severity"] == "changes"
    assert found.loss("`tone`")["severity"] == "harmless"


# -- providers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "entry"),
    [
        ("openai:gpt-4o", {"name": "openai", "model": "gpt-4o", "params": {"temperature": 0, "max_tokens": 1024}}),
        ("openai:chat:o3-mini", {"name": "openai", "model": "o3-mini"}),
        ("openai:responses:gpt-5", {"name": "openai", "model": "gpt-5", "endpoint": "responses"}),
        ("azureopenai:chat:mine", {"name": "azure", "model": "mine", "params": {"temperature": 0, "max_tokens": 1024}}),
        (
            "mistral:mistral-small-latest",
            {"name": "mistral", "model": "mistral-small-latest", "params": {"max_tokens": 1024}},
        ),
    ],
)
def test_a_provider_is_carried(converted, written, entry):
    found = providers(converted, f"[{written}]")
    (provider,) = found.spec.each_provider
    assert {key: getattr(provider, key) for key in entry} == entry
    assert found.code == 0


def test_the_configuration_of_providers(converted):
    text = """
  - id: azure:chat:mine
    config: {apiHost: r.openai.azure.com, apiVersion: 2024-10-21, temperature: 0.5, top_p: 0.9, stop: [x], maxRetries: 3}
  - openai:chat:local:
      label: near
      config: {apiBaseUrl: "http://localhost:8000/v1/", max_completion_tokens: 9, passthrough: {top_k: 4}}
"""
    found = providers(converted, text)
    azure, vllm = found.spec.each_provider
    assert (azure.api_base, azure.api_version) == ("https://r.openai.azure.com", "2024-10-21")
    assert azure.params == {"temperature": 0.5, "max_tokens": 1024, "top_p": 0.9, "stop": ["x"]}
    assert (vllm.name, vllm.model, vllm.label, vllm.api_base) == ("vllm", "local", "near", "http://localhost:8000/v1")
    assert vllm.params == {"temperature": 0, "max_completion_tokens": 9, "extra_body": {"top_k": 4}}
    assert found.spec.retry.max_attempts == 4
    assert [loss["what"] for loss in found.losses] == ["`r.openai.azure.com`"]


@pytest.mark.parametrize(
    "written",
    ["anthropic:messages:claude", "echo", "file://p.py", "python:p.py", "https://example.com/chat", "ollama:chat:x",
     "openai:assistant:asst_1", "openai:embedding:e", "nonsense"],
)  # fmt: skip
def test_what_cannot_be_asked_is_told_and_offline_stands_there(converted, written):
    found = providers(converted, f"[{json.dumps(written)}]")
    assert [provider.name for provider in found.spec.each_provider] == ["offline"]
    assert found.loss(written)["severity"] == "changes"
    assert found.loss("`providers`")["severity"] == "changes"
    assert found.code == 1


def test_unknown_settings_of_a_provider_are_told(converted):
    found = providers(
        converted, "[{id: openai:gpt-4o, transform: 'x', config: {temprature: 1, headers: {a: b}, stop: '{{ x }}'}}]"
    )
    told = {loss["what"] for loss in found.losses if loss["severity"] == "changes"}
    assert told == {"`config.headers`", "`config.stop`", "`provider.transform`"}
    assert found.loss("temprature")["severity"] == "harmless"


SECRET = "sk-canary-0123456789abcdef"


def test_no_key_is_written_or_printed(converted, here, command):
    text = f"""\
env: {{OPENAI_API_KEY: {SECRET}, OTHER_TOKEN: tok-abcdefgh1234}}
prompts: ["Say {{{{ word }}}}. {SECRET}"]
providers:
  - id: openai:chat:gpt-4.1
    config: {{apiKey: {SECRET}, headers: {{Authorization: Bearer {SECRET}}}, passthrough: {{api_key: {SECRET}}}, user: me}}
defaultTest: {{options: {{provider: {{id: openai:gpt-4.1, config: {{apiKey: {SECRET}}}}}}}}}
tests: [{{vars: {{word: hi}}, assert: [{{type: llm-rubric, value: "{SECRET}"}}]}}]
"""
    found = converted(text)
    shown = command("convert", "promptfooconfig.yaml", "-o", "again")
    for where in (
        found.text,
        json.dumps(found.losses),
        shown.out,
        shown.err,
        *(p.read_text() for p in (here / "again").iterdir()),
    ):
        assert SECRET not in where
        assert "tok-abcdefgh1234" not in where
    assert found.loss("env.OPENAI_API_KEY")["todo"].startswith("Set OPENAI_API_KEY in the environment")
    assert "Set OPENAI_API_KEY" in next(loss for loss in found.losses if loss["what"] == "`config.apiKey`")["todo"]


def test_a_key_anywhere_else_is_told_and_written_as_stars(converted, here):
    (here / "cases.csv").write_text(f"word,__expected\n{SECRET},is-json\n")
    text = 'prompts: ["Say {{ word }}."]\nproviders: [openai:chat:gpt-4.1]\n'
    found = converted(text + f"tests: [{{vars: {{word: 'use {SECRET} here'}}, assert: [{{type: is-json}}]}}]\n")
    assert "stars are in its place" in found.loss("tests.0.vars.word")["why"]
    assert "use *** here" in found.text
    assert found.code == 1
    assert SECRET not in converted(text + "tests: file://cases.csv\n").text, "the table stays where it is"


def test_schemas_and_tools_belong_to_the_spec(converted, here):
    (here / "tools.json").write_text(
        json.dumps([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
    )
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "required": ["a"]}}}
    choice = {"type": "function", "function": {"name": "f"}}
    config = {"response_format": schema, "tools": "file://tools.json", "tool_choice": choice}
    found = providers(converted, json.dumps([{"id": "openai:gpt-4o", "config": config}]))
    assert found.spec.output.json_schema == {"type": "object", "required": ["a"]}
    assert (found.spec.output.strategy, found.spec.output.max_attempts) == ("json_schema", 1)
    assert [tool.name for tool in found.spec.tools] == ["f"]
    assert found.spec.tool_choice.name == "f"
    assert "does not fit the schema has failed here" in found.loss("`config.response_format`")["why"]
    mixed = [{"id": "openai:gpt-4o", "config": {"response_format": schema}}, "openai:gpt-4o-mini"]
    found = providers(converted, json.dumps(mixed))
    assert found.loss("`config`")["severity"] == "changes"


def test_a_strict_schema_holds_every_answer_there_too(converted):
    schema = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
    found = providers(converted, json.dumps([{"id": "openai:gpt-4o", "config": {"response_format": schema}}]))
    assert (found.code, [loss["what"] for loss in found.losses]) == (0, ["`json_schema.name`"])


def test_json_mode_is_sent_as_it_is(converted):
    """Without a message that says so, and without holding the answers to a schema."""
    config = {"response_format": {"type": "json_object"}}
    found = providers(converted, json.dumps([{"id": "openai:gpt-4o", "config": config}]))
    (provider,) = found.spec.each_provider
    assert provider.params["extra_body"] == config
    assert found.spec.output.json_schema is None
    found = providers(converted, json.dumps([{"id": "openai:responses:gpt-4o", "config": config}]))
    (provider,) = found.spec.each_provider
    assert provider.params["extra_body"] == {"text": {"format": {"type": "json_object"}}}


def test_a_prompt_brings_its_own_configuration(converted):
    """Before that of its provider, and for its own spec only."""
    config = {
        "temperature": 0.7,
        "response_format": {"type": "json_schema", "json_schema": {"strict": True, "schema": {"type": "object"}}},
    }
    prompts = [
        {"raw": "Say {{ word }}.", "label": "strict", "config": config},
        {"raw": "Hum {{ word }}.", "label": "plain"},
    ]
    asked = [{"id": "openai:gpt-4o", "config": {"temperature": 0.1, "max_tokens": 9}}]
    tests = [{"vars": {"word": "a"}, "assert": CHECK}]
    found = converted(json.dumps({"prompts": prompts, "providers": asked, "tests": tests}), "promptfooconfig.json")
    plain, strict = (load_spec(path) for path in sorted(found.specs))
    assert strict.each_provider[0].params == {"temperature": 0.7, "max_tokens": 9}
    assert strict.output.json_schema == {"type": "object"}
    assert plain.each_provider[0].params == {"temperature": 0.1, "max_tokens": 9}
    assert plain.output.json_schema is None


def test_tools_of_a_prompt_are_asked_with_it_once(converted):
    tools = [{"type": "function", "function": {"name": "locate", "parameters": {"type": "object", "properties": {}}}}]
    prompts = [{"raw": "Find {{ word }}.", "config": {"tools": tools, "tool_choice": "required"}}]
    tests = [{"vars": {"word": "a"}, "assert": [{"type": "is-valid-openai-tools-call"}]}]
    found = converted(
        json.dumps({"prompts": prompts, "providers": ["openai:gpt-4o"], "tests": tests}), "promptfooconfig.json"
    )
    assert [tool.name for tool in found.spec.tools] == ["locate"]
    assert (found.spec.tool_choice, found.spec.output.max_attempts, found.code) == ("required", 1, 0)


# -- tests ----------------------------------------------------------------------------------------------------------------


def cases(converted, tests, more=""):
    text = f"prompts: ['Say {{{{ word }}}} {{{{ tone }}}}.']\nproviders: [openai:gpt-4.1]\ntests: {json.dumps(tests)}\n{more}"
    return converted(text)


CHECK = [{"type": "is-json"}]


def test_lists_of_values_are_written_out(converted):
    found = cases(converted, [{"vars": {"word": ["a", "b"], "tone": ["x", "y"]}, "assert": CHECK}])
    assert [tuple(case.vars.values()) for case in found.spec.tests] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    for whole in ([1, 2], [[1, "a"], 2], [True, "a"], [], [{"a": 1}, "b"]):
        found = cases(converted, [{"vars": {"word": whole, "tone": ["x", "y"]}, "assert": CHECK}])
        assert [case.vars["tone"] for case in found.spec.tests] == ["x", "y"], (
            "one case for the list, which is one value"
        )
    kept = {"vars": {"word": ["a", "b"], "tone": "x"}, "assert": CHECK, "options": {"disableVarExpansion": True}}
    assert [case.vars["word"] for case in cases(converted, [kept]).spec.tests] == [["a", "b"]]


def rendered(command, spec):
    """The messages of each case, as `throughster render` fills them in."""
    lines = map(json.loads, command("render", spec, "--provider", "offline", "--format", "json").out.splitlines())
    return [[message["content"] for message in line["messages"]] for line in lines if "messages" in line]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1, 2], "1,2"),
        ([True, "x"], "true,x"),
        ([[1, 2], [3]], "1,2,3"),
        ([], ""),
        (None, ""),
        (1.5, "1.5"),
        (2.0, "2"),
        (7, "7"),
        (False, "false"),
        ("1.50", "1.50"),
    ],
    ids=str,
)
def test_values_print_as_they_do_there(converted, command, value, shown):
    tests = [
        {"vars": {"word": value, "tone": "x"}, "assert": CHECK},
        {"vars": {"word": "plain", "tone": "x"}, "assert": CHECK},
        {"vars": {"word": True, "tone": "x"}, "assert": CHECK},
    ]
    found = cases(converted, tests)
    assert rendered(command, found.specs[0]) == [[f"Say {shown} x."], ["Say plain x."], ["Say true x."]]


def test_a_mapping_that_is_printed_is_told(converted):
    found = cases(converted, [{"vars": {"word": {"a": 1}, "tone": "x"}, "assert": CHECK}])
    assert "`[object Object]`" in found.loss("`vars.word`")["why"]
    assert found.code == 1


LOOP = """\
[
  {"role": "system", "content": "You are {{ tone }}."},
  {% for turn in turns %}
  {"role": "{{ turn.role }}", "content": {{ turn.text | dump }}},
  {% endfor %}
  {"role": "user", "content": {{ last | dump }}}
]
"""
TURNS = [{"role": "user", "text": 'one "1"'}, {"role": "assistant", "text": "two"}]


def chat(converted, here, prompt, tests):
    (here / "chat.json").write_text(prompt)
    source = {"prompts": ["file://chat.json"], "providers": ["openai:gpt-4o"], "tests": tests}
    return converted(json.dumps(source), "promptfooconfig.json")


def test_a_chat_with_a_loop_becomes_messages(converted, here, command):
    tests = [{"vars": {"tone": "kind", "turns": turns, "last": "three"}, "assert": CHECK} for turns in (TURNS, [])]
    found = chat(converted, here, LOOP, tests)
    assert found.grave == []
    assert rendered(command, found.specs[0]) == [
        ["You are kind.", 'one "1"', "two", "three"],
        ["You are kind.", "three"],
    ]


def test_turns_in_a_cell_are_loaded(converted, here, command):
    tests = [{"vars": {"tone": "kind", "turns": json.dumps(TURNS), "last": "three"}, "assert": CHECK}]
    found = chat(converted, here, LOOP.replace("in turns", "in (turns | load)"), tests)
    assert found.grave == []
    assert rendered(command, found.specs[0]) == [["You are kind.", 'one "1"', "two", "three"]]
    tests[0]["vars"]["turns"] = "no JSON"
    assert (
        "is not JSON"
        in chat(converted, here, LOOP.replace("in turns", "in (turns | load)"), tests).loss("vars.turns")["why"]
    )


@pytest.mark.parametrize(
    ("prompt", "turns", "why"),
    [
        (LOOP, [{"role": "robot", "text": "x"}], "a turn is not a text of the user or the assistant"),
        (LOOP.replace("turn.text | dump", "turn.text"), TURNS, "what comes out is not JSON"),
        (LOOP.replace('  {"role": "user", "content": {{ last | dump }}}\n', '  {"role": "assistant", "content": "x"}\n'), TURNS, "looks like a chat"),
        ('[{"role": "user", "content": "{{ last }}"', TURNS, "looks like a chat"),
    ],
    ids=["role", "quotes", "last", "unclosed"],
)  # fmt: skip
def test_a_chat_that_cannot_be_filled_in_is_told(here, command, prompt, turns, why):
    (here / "chat.json").write_text(prompt)
    tests = [{"vars": {"tone": "kind", "turns": turns, "last": "three"}, "assert": CHECK}]
    source = {"prompts": ["file://chat.json", "Say {{ last }}."], "providers": ["openai:gpt-4o"], "tests": tests}
    (here / "promptfooconfig.yaml").write_text(json.dumps(source))
    outcome = command("convert", "promptfooconfig.yaml", "-o", "out", "--format", "json")
    assert outcome.code == 1
    assert why in " ".join(loss["why"] for loss in outcome.json["losses"] if loss["severity"] == "changes")


def test_defaults_are_shared_unless_a_test_does_not_want_them(converted):
    more = "defaultTest: {vars: {tone: calm}, threshold: 0.5, assert: [{type: contains, value: x}]}\n"
    found = cases(converted, [{"vars": {"word": "a"}, "assert": CHECK}, {"vars": {"word": "b"}}], more)
    assert found.spec.default_test.vars == {"tone": "calm"}
    assert found.spec.default_test.threshold == 0.5
    assert [check.type for check in found.spec.default_test.checks] == ["contains"]
    alone = {"vars": {"word": "b"}, "assert": CHECK, "options": {"disableDefaultAsserts": True}}
    found = cases(converted, [{"vars": {"word": "a"}}, alone], more)
    assert found.spec.default_test.checks == ()
    assert [[check.type for check in case.checks] for case in found.spec.tests] == [["contains"], ["is-json"]]


def test_defaults_that_are_lists_or_refer_to_others_go_into_each_test(converted):
    more = "defaultTest: {vars: {tone: [calm, 'like {{ word }}']}, assert: [{type: is-json}]}\n"
    found = cases(converted, [{"vars": {"word": "a"}}], more)
    assert [case.vars["tone"] for case in found.spec.tests] == ["calm", "like a"]
    assert found.spec.default_test.vars == {}


def test_defaults_in_a_file(converted, here):
    (here / "default.yaml").write_text("vars: {tone: calm}\nassert: [{type: latency, threshold: 2000}]\n")
    found = cases(converted, [{"vars": {"word": "a"}}], "defaultTest: file://default.yaml\n")
    assert found.spec.default_test.checks[0].threshold == 2


def test_tests_without_checks_are_rows(converted):
    found = cases(converted, [{"vars": {"word": "a", "tone": "b"}}])
    assert found.spec.tests is None
    assert found.spec.data == ({"word": "a", "tone": "b"},)
    assert found.code == 0
    some = [{"vars": {"word": "a", "tone": "b"}}, {"vars": {"word": "c", "tone": "d"}, "assert": CHECK}]
    found = cases(converted, some)
    assert (len(found.spec.tests), len(found.spec.data)) == (1, 1)
    assert found.loss("test")["severity"] == "harmless"


def test_tests_that_lose_all_their_checks_are_told(converted):
    found = cases(converted, [{"vars": {"word": "a", "tone": "b"}, "assert": [{"type": "is-sql"}]}])
    assert found.spec.tests is None
    assert found.code == 1
    assert any("cannot fail" in loss["why"] for loss in found.losses if loss["severity"] == "changes")


def test_values_from_files_and_in_values(converted, here):
    (here / "w.txt").write_text("from a file\n")
    assert (
        cases(converted, [{"vars": {"word": "a\nb\n", "tone": ""}, "assert": CHECK}]).spec.tests[0].vars["word"]
        == "a\nb"
    )
    (here / "w.yaml").write_text("a: [1, 2]\n")
    values = [{"word": "file://w.txt", "tone": "like {{ word }}"}, {"word": "file://w.yaml", "tone": "{{ gone }}"}]
    found = cases(converted, [{"vars": one, "assert": CHECK} for one in values])
    first, second = found.spec.tests
    assert dict(first.vars) == {"word": "from a file", "tone": "like from a file"}
    assert json.loads(second.vars["word"]) == {"a": [1, 2]}
    assert "its braces stay" in found.loss("vars.tone")["why"]
    found = cases(converted, [{"vars": {"word": "file://../secret.txt", "tone": "x"}, "assert": CHECK}])
    assert "outside the project" in found.loss("vars.word")["why"]


def test_prefix_and_suffix(converted):
    test = {"vars": {"word": "a", "tone": "b"}, "assert": CHECK}
    more = "defaultTest: {options: {prefix: 'Please: ', suffix: ' Now.'}}\n"
    assert cases(converted, [test], more).spec.prompt.messages[0].content == "Please: Say {{ word }} {{ tone }}. Now."
    found = cases(converted, [test, {**test, "options": {"prefix": "Other: "}}], more)
    assert found.loss("options.prefix")["severity"] == "changes"


@pytest.mark.parametrize(
    ("key", "value"),
    [("provider", "openai:gpt-4o"), ("providers", ["a"]), ("providerOutput", "x"), ("assertScoringFunction", "file://x.js"),
     ("options", {"transform": "output.x"}), ("options", {"rubricPrompt": "x"}), ("options", {"storeOutputAs": "x"}),
     ("options", {"temperature": 0.3}), ("threshold", 7)],
)  # fmt: skip
def test_what_a_test_cannot_have_is_told(converted, key, value):
    found = cases(converted, [{"vars": {"word": "a", "tone": "b"}, "assert": CHECK, key: value}])
    name = next(iter(value)) if key == "options" else key
    assert found.loss(name)["severity"] == "changes"
    assert found.loss(name)["line"] == 3
    assert len(found.spec.tests) == 1


def test_scenarios(converted):
    more = json.dumps({"config": [{"vars": {"word": "a"}}, {"vars": {"word": "b"}, "assert": CHECK}], "tests": [
        {"vars": {"tone": "x"}, "assert": [{"type": "contains", "value": "1"}]}, {"vars": {"tone": "y"}, "assert": CHECK}]})  # fmt: skip
    text = f"prompts: ['Say {{{{ word }}}} {{{{ tone }}}}.']\nproviders: [openai:gpt-4.1]\nscenarios: [{more}]\n"
    found = converted(text)
    assert [(*case.vars.values(), len(case.checks)) for case in found.spec.tests] == [
        ("a", "x", 1), ("a", "y", 1), ("b", "x", 2), ("b", "y", 2),
    ]  # fmt: skip


def test_tables_stay_where_they_are_if_they_mean_the_same(converted, here):
    text = 'prompts: ["Say {{ word }}."]\nproviders: [openai:gpt-4.1]\ntests: file://cases.csv\n'
    (here / "cases.csv").write_text("word,__expected,__expected1,__metric\nhi,icontains:hi,regex:^h,m\nho,Ho,,\n")
    found = converted(text)
    assert found.spec.tests == "../cases.csv"
    (here / "cases.csv").write_text("word,__expected\nhi,latency(500)\nho,levenshtein:ho\n")
    found = converted(text)
    first, second = found.spec.tests
    assert first.checks[0].threshold == 0.5, "milliseconds become seconds"
    assert second.checks[0].threshold == 0.75, "as promptfoo reads the table: no character may differ"
    (here / "cases.csv").write_text("word\nhi\n")
    assert converted(text).spec.data == "../cases.csv"


def test_tests_in_other_files(converted, here):
    (here / "a.yaml").write_text("- {vars: {word: a, tone: t}, assert: [{type: is-json}]}\n")
    (here / "b.jsonl").write_text('{"vars": {"word": "b", "tone": "t"}, "assert": [{"type": "is-json"}]}\n')
    (here / "c.json").write_text('[{"vars": {"word": "c",\t"tone": "t"}, "assert": [{"type": "is-json"}]}]')
    (here / "gen.py").write_text("")
    names = [
        "file://a.yaml",
        "file://b.jsonl",
        "c.json",
        "file://gen.py:make",
        "huggingface://datasets/x",
        "file://no.yaml",
    ]
    found = cases(converted, names)
    assert [case.vars["word"] for case in found.spec.tests] == ["a", "b", "c"]
    told = {loss["what"] for loss in found.losses if loss["severity"] == "changes"}
    assert told == {"`file://gen.py:make`", "`file://no.yaml`", "`huggingface://datasets/x`"}


# -- judges ---------------------------------------------------------------------------------------------------------------


def judged(converted, more="", extra=None):
    tests = [{"vars": {"word": "a", "tone": "b"}, "assert": [{"type": "llm-rubric", "value": "Good?"}, *(extra or [])]}]
    return cases(converted, tests, more)


def test_the_judge(converted):
    found = judged(converted, "defaultTest: {options: {provider: openai:gpt-4o}}\n")
    assert found.spec.grader.provider.shown_label == "openai:gpt-4o"
    found = judged(converted)
    assert found.spec.grader.provider.shown_label == "openai:gpt-4.1"
    assert found.loss("`grader`")["severity"] == "harmless"
    assert [loss["what"] for loss in found.losses if loss["severity"] == "changes"] == ["`llm-rubric`"]
    both = "{text: {id: openai:gpt-4o, config: {temperature: 0.1}}, embedding: openai:embedding:text-embedding-3-small}"
    found = judged(converted, f"defaultTest: {{options: {{provider: {both}}}}}\n")
    assert found.spec.grader.provider.params == {"temperature": 0.1}


def test_a_second_judge_is_told(converted):
    extra = [{"type": "llm-rubric", "value": "Fine?", "provider": "openai:gpt-4o"}]
    found = judged(converted, "defaultTest: {options: {provider: openai:gpt-4.1}}\n", extra)
    assert found.spec.grader.provider.shown_label == "openai:gpt-4.1"
    assert found.loss("openai:gpt-4o")["severity"] == "changes"


def test_embeddings_beside_judgements_are_told(converted):
    found = judged(converted, "", [{"type": "similar", "value": "x"}])
    assert found.loss("`similar`")["severity"] == "changes"
    alone = [{"vars": {"word": "a", "tone": "b"}, "assert": [{"type": "similar", "value": "x"}]}]
    found = cases(converted, alone, "defaultTest: {options: {provider: openai:embedding:text-embedding-3-small}}\n")
    assert found.spec.grader.provider.model == "text-embedding-3-small"
    assert found.code == 0
