"""Every way to get a spec wrong that we could think of, with the place, the words and the hint that it must give.

A case of tests/spec/bad/*.txt starts with `=== name` (the spec follows as it is) or `=+= name` (it goes on after three
sound lines). Each of its `>>> line:column words | hint` lines is one problem, in the order in which they are reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from throughster.spec import parse_spec
from throughster.yamltree import parse_yaml

BASE = "version: 1\nprovider: offline\nprompt: Hi\n"
INTERNAL_WORDS = (
    "Traceback",
    "unhashable",
    "ConstructorError",
    "NoneType",
    "pydantic",
    "<text>",
    "<mapping>",
    "<list>",
)
SECRETS = ("abcdef-very-secret", "sk-abcdefghijklmnopqrstuvwx")


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    expected: tuple[str, ...]


def read_cases():
    for path in sorted((Path(__file__).parent / "bad").glob("*.txt")):
        for head, body in re.findall(
            r"^(=[=+]= .*)\n((?:(?!=[=+]= ).*\n?)*)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            lines = body.splitlines(keepends=True)
            text = "".join(line for line in lines if not line.startswith(">>> "))
            expected = tuple(line[4:].strip() for line in lines if line.startswith(">>> "))
            text = text.rstrip("\n") + "\n" if text.strip() else ""
            yield Case(f"{path.stem}: {head[4:]}", (BASE if head.startswith("=+=") else "") + text, expected)


CASES = list(read_cases())


def problems_of(text):
    document, problems = parse_yaml(text, "specs/qa.yaml")
    return problems if document is None else [*problems, *parse_spec(document)[1]]


def test_there_are_more_than_a_hundred_cases():
    assert len(CASES) > 100
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_spec_is_refused_at_its_place_in_plain_words(case):
    problems = problems_of(case.text)
    shown = [f"{p.line}:{p.column} {p.message}" + (f" | {p.hint}" if p.hint else "") for p in problems]
    assert shown == list(case.expected)
    for problem in problems:
        text = str(problem)
        assert text.startswith(f"specs/qa.yaml:{problem.line}:{problem.column}: ")
        assert not [word for word in (*INTERNAL_WORDS, *SECRETS) if word in text]
        if problem.source:
            assert text.splitlines()[-1].rstrip().endswith("^")
