"""The answers file."""

from __future__ import annotations

import json

import pytest

from throughster.emulator import Options, load_answers, parse_answers
from throughster.errors import SpecError
from throughster.prompts.text import text_of

FILE = """\
- contains: birth
  answer: too short a match
- match: {text: Happy birthday!, language: French}
  answer: Joyeux anniversaire !
- match: {text: Happy birthday!}
  answer: {word: any, parts: [1, 2.50]}
- contains: birthday
  answer: ""
- match: {count: 010, flag: true}
  answer: 12
- match: {note: null, tags: [é, 1, 2.50, false], extra: {a: [b]}}
  answer: printed as JSON
"""


@pytest.fixture
def answers():
    return parse_answers(FILE, "answers.yaml")


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ('Translate "Happy birthday!" to French.', "Joyeux anniversaire !"),
        ('Translate "Happy birthday!" to Spanish.', '{"word":"any","parts":[1,2.5]}'),
        ("Happy birthdays to French", ""),
        ("count 010 and true", "12"),
        ("count 10 and true", None),
        ("count 010 and True", None),
        ('null, ["é", 1, "2.50", false], {"a": ["b"]}', "printed as JSON"),
        ("nothing of this", None),
    ],
)
def test_the_entry_with_the_longest_match_gives_the_answer(answers, prompt, answer):
    found = answers.find(prompt)
    assert (found.answer if found else None) == answer


def test_a_value_is_looked_for_as_a_template_prints_it():
    row = {"t": True, "n": None, "list": ["é", 1, "2.50"], "deep": {"a": [False]}, "number": 1.5, "text": "x y"}
    entry = {"match": row, "answer": "found"}
    answers = parse_answers(json.dumps([entry]), "a.json")
    assert answers.find(" ".join(text_of(value) for value in row.values())).answer == "found"


def test_of_equal_matches_the_first_counts():
    answers = parse_answers("[{contains: ab, answer: one}, {contains: bc, answer: two}]", "a.yaml")
    assert answers.find("abc").answer == "one"


def test_a_json_file_is_read_like_a_yaml_file(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text('[{"contains": "hi", "answer": {"a": [true, null]}}]')
    assert load_answers(path).find("say hi").answer == '{"a":[true,null]}'


@pytest.mark.parametrize(
    ("content", "position", "words"),
    [
        ("a: 1\n", (1, 1), "list of entries"),
        ("- just text\n", (1, 3), "`match` or `contains`"),
        ("- contains: a\n", (1, 3), "no `answer`"),
        ("- contains: a\n  answer: b\n  matches: {}\n", (3, 3), "unknown key `matches`"),
        ("- contains: a\n  match: {b: c}\n  answer: d\n", (1, 3), "either `match` or `contains`"),
        ("- answer: d\n", (1, 3), "either `match` or `contains`"),
        ("- contains: [c]\n  answer: d\n", (1, 13), "must be a text"),
        ("- contains: null\n  answer: d\n", (1, 13), "must be a text"),
        ("- contains: a\n  answer: d\n  refusal: e\n", (1, 3), "`answer` and `refusal`"),
        ("- match: {}\n  answer: d\n", (1, 10), "mapping of row variables"),
        ('- contains: ""\n  answer: d\n', (1, 13), "would fit every request"),
    ],
)
def test_what_is_wrong_in_an_answers_file_is_said_with_its_place(content, position, words):
    with pytest.raises(SpecError, match=words) as caught:
        parse_answers(content, "answers.yaml")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == position


def test_every_problem_of_the_file_is_reported_at_once():
    with pytest.raises(SpecError) as caught:
        parse_answers("- contains: a\n- answer: b\n- 7\n", "answers.yaml")
    assert len(caught.value.problems) == 3


def test_broken_yaml_and_a_missing_file_are_spec_errors(tmp_path):
    with pytest.raises(SpecError):
        parse_answers("- {contains: a", "answers.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        load_answers(tmp_path / "none.yaml")


def test_an_answer_is_sent_as_it_is_even_if_it_does_not_fit_the_schema(answers, ask):
    messages = [{"role": "user", "content": "Happy birthday! in French"}]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for dialect in ("openai", "azure", "mistral", "vllm"):
        reply = ask(dialect, options={"answers": answers}, messages=messages, response_format=wanted)
        assert reply.text == "Joyeux anniversaire !"


def test_an_answer_takes_the_place_of_an_automatic_tool_call_and_is_the_argument_of_a_forced_one(
    answers, converse, chat_body, weather_tool
):
    async def talk(_emulator, send):
        messages = [{"role": "user", "content": 'Translate "Happy birthday!" to Spanish.'}]
        body = chat_body("openai", messages=messages, tools=[weather_tool])
        return await send(body), await send({**body, "tool_choice": "required"})

    automatic, forced = converse(Options(answers=answers), talk)
    assert automatic.text == '{"word":"any","parts":[1,2.5]}'
    assert forced.message["tool_calls"][0]["function"]["arguments"] == '{"word":"any","parts":[1,2.5]}'


DECLINING = parse_answers(
    "[{contains: bomb, refusal: I cannot help with that.}, {contains: blood, filtered: Then he}]", "answers.yaml"
)


@pytest.mark.parametrize("dialect", ["openai", "azure"])
def test_a_refusal_stands_in_its_own_field_whole_and_streamed(ask, dialect):
    messages = [{"role": "user", "content": "build a bomb"}]
    whole = ask(dialect, options={"answers": DECLINING}, messages=messages)
    assert (whole.message["content"], whole.message["refusal"]) == (None, "I cannot help with that.")
    streamed = ask(dialect, options={"answers": DECLINING}, messages=messages, stream=True)
    deltas = [choice["delta"] for chunk in streamed.chunks for choice in chunk["choices"] if "delta" in choice]
    assert "".join(delta.get("refusal") or "" for delta in deltas) == "I cannot help with that."
    assert streamed.streamed_text() == ""
    assert streamed.finish_reasons == ["stop"]


def test_a_filtered_answer_ends_with_content_filter(ask):
    messages = [{"role": "user", "content": "tell of blood"}]
    for dialect in ("openai", "azure"):
        whole = ask(dialect, options={"answers": DECLINING}, messages=messages)
        assert (whole.text, whole.body["choices"][0]["finish_reason"]) == ("Then he", "content_filter")
        streamed = ask(dialect, options={"answers": DECLINING}, messages=messages, stream=True)
        assert (streamed.streamed_text(), streamed.finish_reasons) == ("Then he", ["content_filter"])
    assert whole.body["choices"][0]["content_filter_results"]["violence"] == {"filtered": True, "severity": "high"}


@pytest.mark.parametrize("dialect", ["mistral", "vllm"])
def test_a_provider_without_refusals_sends_them_as_text(ask, dialect):
    for prompt, text in (("a bomb", "I cannot help with that."), ("blood", "Then he")):
        reply = ask(dialect, options={"answers": DECLINING}, messages=[{"role": "user", "content": prompt}])
        assert (reply.text, reply.body["choices"][0]["finish_reason"]) == (text, "stop")


@pytest.mark.parametrize("escaped", [r"yes \ud83c\udf89", r"\uD83D\uDE00", r"\\ud83c", r"a\/b\tc", r"\\\ud83c\udf89"])
def test_a_json_file_is_read_as_json(tmp_path, escaped):
    text = f'[\n  {{"contains": "hi", "answer": "{escaped}"}}]'
    (tmp_path / "a.json").write_text(text)
    assert load_answers(tmp_path / "a.json").find("hi").answer == json.loads(f'"{escaped}"')


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("- {contains: hi, answer: yes}", (1, 1), "this is no JSON"),
        ('[{"contains": "hi",\n "answer": "\\ud83c"}]', (2, 13), "this is no JSON"),
        ('[{"contains": "hi", "contains": "ho"}]', (1, 21), "stands twice"),
        ("[" * 100_000, (0, 0), "nested too deeply"),
        ('[{"contains": "hi", "answer": NaN}]', (0, 0), "NaN is no JSON number"),
        ('[\n{"contains": "hi", "answr": "\\ud83c\\udf89"}]', (2, 20), "unknown key `answr`"),
    ],
)
def test_what_is_wrong_in_a_json_file_has_its_place(text, place, words):
    with pytest.raises(SpecError) as caught:
        parse_answers(text, "a.json")
    problem = caught.value.problems[0]
    assert words in problem.message
    assert (problem.line, problem.column) == place
