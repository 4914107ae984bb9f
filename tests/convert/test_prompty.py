"""`.prompty` files of both versions, and runs of prompt flow over them."""

from __future__ import annotations

import json

import pytest

from throughster.spec import load_spec

FIRST = """\
---
name: Basic
description: A basic prompt
authors: [someone]
tags: [demo]
model:
  api: chat
  configuration:
    type: azure_openai
    azure_endpoint: ${env:AZURE_OPENAI_ENDPOINT}
    azure_deployment: my-deployment
    api_version: 2024-10-21
    api_key: sk-canary-0123456789abcdef
  parameters:
    max_tokens: 128
    temperature: 0.2
    frequency_penalty: 0.1
    response_format: {type: json_object}
inputs:
  question: {type: string, description: What to ask}
  tone: {type: string, default: calm}
  unused: {type: string}
sample:
  question: Why?
---
system:
You answer in JSON. Be {{tone}}, not sk-canary-0123456789abcdef.

user:
{{question}}
"""
SECOND = """\
---
name: second
metadata: {authors: [someone], tags: [demo]}
model:
  id: gpt-4.1
  provider: openai
  apiType: responses
  connection: {kind: key, endpoint: "https://api.openai.com/v1", apiKey: "${env:OPENAI_API_KEY}"}
  options: {temperature: 0.7, maxOutputTokens: 100, topP: 0.9, additionalProperties: {store: true, strange: 1}}
inputs:
  - {name: text, kind: string, required: true, example: hello}
  - {name: count, kind: integer, default: 3}
outputs:
  - {name: label, kind: string, enumValues: [a, b]}
  - {name: words, kind: array, items: {kind: string}}
tools:
  - name: look_up
    kind: function
    description: Looks up
    parameters: [{name: word, kind: string, required: true}, {name: deep, kind: boolean}]
  - {name: files, kind: mcp}
template: {format: {kind: jinja2}, parser: {kind: prompty}}
---
Before any role.

user:
Give {{count}} words for {{text}}.
assistant:
Of what kind?
user:
Any.
"""


def test_version_1(converted):
    found = converted(FIRST, "basic.prompty")
    spec = found.spec
    assert found.code == 0
    assert (spec.description, spec.tags) == ("A basic prompt", ("demo",))
    (provider,) = spec.each_provider
    assert (provider.name, provider.model, provider.api_version) == ("azure", "my-deployment", "2024-10-21")
    assert provider.params == {
        "max_tokens": 128,
        "temperature": 0.2,
        "frequency_penalty": 0.1,
        "extra_body": {"response_format": {"type": "json_object"}},
    }
    assert [(m.role, m.content) for m in spec.prompt.messages] == [
        ("system", "You answer in JSON. Be {{tone}}, not ***."),
        ("user", "{{question}}"),
    ]
    assert spec.inputs["tone"].default == "calm"
    assert spec.inputs["question"].description == "What to ask"
    assert spec.data == ({"question": "Why?"},)
    told = {loss["what"]: (loss["line"], loss["severity"]) for loss in found.losses}
    assert told == {
        "`authors`": (4, "harmless"), "`api_key`": (13, "harmless"), "`azure_endpoint`": (10, "harmless"),
        "`inputs.unused`": (2, "harmless"),
    }  # fmt: skip
    assert "sk-canary" not in found.text + json.dumps(found.losses)


def test_version_2(converted):
    found = converted(SECOND, "second.prompty")
    spec = found.spec
    (provider,) = spec.each_provider
    assert (provider.name, provider.model, provider.endpoint) == ("openai", "gpt-4.1", "responses")
    assert provider.params == {"store": True, "temperature": 0.7, "max_completion_tokens": 100, "top_p": 0.9}
    assert [m.role for m in spec.prompt.messages] == ["system", "user", "assistant", "user"]
    assert spec.output.json_schema["properties"] == {
        "label": {"type": "string", "enum": ["a", "b"]},
        "words": {"type": "array", "items": {"type": "string"}},
    }
    (tool,) = spec.tools
    assert tool.parameters["required"] == ["word"]
    assert (spec.inputs["count"].type, spec.inputs["count"].default) == ("integer", 3)
    assert spec.data == ({"text": "hello"},)
    assert {loss["what"] for loss in found.losses if loss["severity"] == "changes"} == {
        "`tools`",
        "`additionalProperties.strange`",
    }


@pytest.mark.parametrize(
    ("front", "entry"),
    [
        ("model: gpt-4o", ("openai", "gpt-4o")),
        (
            "model: {configuration: {type: openai, name: gpt-4o, base_url: 'http://localhost:1/v1'}}",
            ("openai", "gpt-4o"),
        ),
        ("model: {id: x, provider: foundry}", ("azure", "x")),
        ("model: {id: x, provider: anthropic}", ("offline", "x")),
        ("", ("azure", None)),
    ],
)
def test_whom_it_asks(converted, front, entry):
    found = converted(f"---\n{front}\n---\nuser:\nHi.\n", "a.prompty")
    (provider,) = found.spec.each_provider
    assert provider.name == entry[0]
    assert provider.model == (None if entry[0] == "offline" else entry[1])
    assert found.code == (1 if entry[0] == "offline" or not front else 0)


def test_without_front_matter_the_provider_is_a_guess(converted):
    for text in ("system:\nBe.\nuser:\nHi.\n", "---\n---\nuser:\nHi.\n"):
        found = converted(text, "a.prompty")
        assert (found.code, found.loss("front matter")["severity"]) == (1, "changes")
        assert "the provider is a guess" in found.loss("front matter")["why"]


@pytest.mark.parametrize("key", ["modl: gpt-4o", "input: {a: x}", "samples: {a: x}", "tool: []"])
def test_a_misspelt_key_is_exit_1(converted, key):
    front = key if key.startswith("modl") else f"model: gpt-4o\n{key}"
    found = converted(f"---\n{front}\n---\nuser:\nHi.\n", "a.prompty")
    assert (found.code, found.loss(key.partition(":")[0])["severity"]) == (1, "changes")


def test_a_sample_that_lacks_a_variable_is_told(converted):
    text = "---\nmodel: gpt-4o\nsample: {a: x}\n---\nuser:\nHi {{a}} and {{b}}.\n"
    found = converted(text, "a.prompty")
    assert (found.code, found.loss("sample")["severity"]) == (1, "changes")
    assert "`b`" in found.loss("sample")["why"]
    assert converted(text.replace("{a: x}", "{a: x, b: y}"), "a.prompty").code == 0


def test_a_sample_in_a_file(converted, here):
    (here / "sample.json").write_text('{"question": "From a file?"}')
    text = FIRST.replace("sample:\n  question: Why?", "sample: sample.json")
    assert converted(text, "basic.prompty").spec.data == ({"question": "From a file?"},)
    text = FIRST.replace("sample:\n  question: Why?", "sample: ${file:../outside.json}")
    found = converted(text, "basic.prompty")
    assert "outside the project" in found.loss("`sample`")["why"]


def test_without_a_sample_values_are_given_at_the_run(converted, here, command):
    found = converted(FIRST.replace("sample:\n  question: Why?\n", ""), "basic.prompty")
    assert found.spec.data is None
    shown = command("convert", "basic.prompty", "-o", "other")
    assert "--var question=..." in shown.out
    (spec,) = found.specs
    assert command("check", spec, "--provider", "offline").code == 2
    assert command("check", spec, "--provider", "offline", "--var", "question=x").code == 0


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            "system:\nBe.\n{% for item in history %}\n{{item.role}}:\n{{item.content}}\n{% endfor %}\nuser:\nHi.",
            "roles in a loop",
        ),
        ("system:\n{% if a %}\nuser:\nHi.\n{% endif %}", "roles"),
        ("user:\n![a cat](cat.png)\nWhat is it?", "image"),
        ("user:\nHi\nfunction:\nx", "function"),
    ],
)
def test_what_a_body_cannot_keep_is_told(converted, body, what):
    found = converted(f"---\nmodel: gpt-4o\n---\n{body}\n", "a.prompty")
    assert found.loss(what)["severity"] == "changes"
    assert found.code == 1


def test_other_templates(converted):
    text = "---\nmodel: gpt-4o\ntemplate: KIND\n---\nuser:\nBODY\n"
    assert converted(text.replace("KIND", "mustache").replace("BODY", "Hi {{name}}"), "a.prompty").code == 0
    found = converted(text.replace("KIND", "mustache").replace("BODY", "{{#a}}x{{/a}}"), "a.prompty", check=False)
    assert found.code == 1
    found = converted(text.replace("KIND", "nunjucks").replace("BODY", "{% if a === 'b' %}c{% endif %}"), "a.prompty")
    assert "{% if a == 'b' %}" in found.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\nname: x\nuser:\nHi", "not closed"),
        ("---\n- a\n---\nuser:\nHi", "no mapping"),
        ("---\nmodel: {apiType: embedding, id: x}\n---\nuser:\nHi", "asks for `embedding`"),
        ("---\nname: x\n---\n", "no text to send"),
        ("---\na: [\n---\nuser:\nHi", "A value is expected"),
        ("---\na: 1\na: 2\n---\nuser:\nHi", "stands twice"),
    ],
)
def test_a_wrong_file_is_an_error_with_its_place(here, command, text, words):
    (here / "a.prompty").write_text(text)
    found = command("convert", "a.prompty", "-o", "out")
    assert found.code == 2
    assert words in found.err
    assert found.err.startswith("a.prompty:")
    assert not (here / "out").exists()


RUN = """\
$schema: https://example.com/Run.schema.json
flow: basic.prompty
data: data.jsonl
column_mapping:
  question: ${data.q}
  tone: loud
environment_variables: {A: secret-value-123}
"""


def test_a_run_of_prompt_flow(converted, here):
    (here / "basic.prompty").write_text(FIRST)
    (here / "data.jsonl").write_text('{"q": "One?", "other": 1}\n{"q": "Two?", "other": 2}\n')
    found = converted(RUN, "run.yaml")
    assert found.code == 0
    assert found.spec.vars == {"tone": "loud"}
    assert found.spec.data == "run-data.yaml"
    assert '{question: "One?"}' in found.text
    assert "secret-value-123" not in found.text + json.dumps(found.losses)
    same = converted(RUN.replace("${data.q}", "${data.question}"), "run.yaml")
    (here / "data.jsonl").write_text('{"question": "One?"}\n')
    same = converted(RUN.replace("${data.q}", "${data.question}"), "run.yaml")
    assert same.spec.data == "../data.jsonl"


def test_other_runs(converted, here, command):
    (here / "basic.prompty").write_text(FIRST)
    found = converted("flow: basic.prompty\nrun: earlier\ncolumn_mapping: {question: '${run.outputs.x}'}\n", "run.yaml")
    assert {loss["what"] for loss in found.losses if loss["severity"] == "changes"} == {
        "`run`",
        "`column_mapping.question`",
    }
    assert found.spec.data == ({"question": "Why?"},)
    (here / "flow.yaml").write_text("flow: .\n")
    assert "Only runs of a `.prompty` file" in command("convert", "flow.yaml").err
    (here / "dag.yaml").write_text("nodes: []\n")
    assert "A flow of nodes is a program." in command("convert", "dag.yaml").err


def test_a_folder_of_prompts(here, command):
    for name in ("a", "b"):
        (here / f"{name}.prompty").write_text(FIRST)
    found = command("convert", ".", "-o", "specs")
    assert found.code == 0
    assert {load_spec(here / f"specs/{name}.yaml").name for name in ("a", "b")} == {"a", "b"}
