"""The answers file."""

from __future__ import annotations

import pytest

from throughster.emulator import Options, load_answers, parse_answers
from throughster.errors import SpecError

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
        ("count 010 and True", "12"),
        ("count 10 and True", None),
        ("nothing of this", None),
    ],
)
def test_the_entry_with_the_longest_match_gives_the_answer(answers, prompt, answer):
    # `flag: true` is looked for as Jinja prints it.
    assert answers.find(prompt) == answer


def test_of_equal_matches_the_first_counts():
    answers = parse_answers("[{contains: ab, answer: one}, {contains: bc, answer: two}]", "a.yaml")
    assert answers.find("abc") == "one"


def test_a_json_file_is_read_like_a_yaml_file(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text('[{"contains": "hi", "answer": {"a": [true, null]}}]')
    assert load_answers(path).find("say hi") == '{"a":[true,null]}'


@pytest.mark.parametrize(
    ("content", "position", "words"),
    [
        ("a: 1\n", (1, 1), "list of entries"),
        ("- just text\n", (1, 3), "`match` or `contains`"),
        ("- contains: a\n", (1, 3), "no `answer`"),
        ("- contains: a\n  answer: b\n  matches: {}\n", (3, 3), "unknown key `matches`"),
        ("- contains: a\n  match: {b: c}\n  answer: d\n", (1, 3), "either `match` or `contains`"),
        ("- answer: d\n", (1, 3), "either `match` or `contains`"),
        ("- match: {b: [c]}\n  answer: d\n", (1, 14), "must be a text or a number"),
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
