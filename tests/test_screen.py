"""The border where text is printed: every field of a spec, a row and an answer, poisoned one at a time."""

from __future__ import annotations

import ast
import copy
import json
import logging
import re
from pathlib import Path

import pytest
from tests.hostile.attack import Attack, lost
from tests.hostile.runs import run

from throughster.screen import json_text, shown

ROOT = Path(__file__).parents[1] / "runner" / "throughster"
POISON = "x\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202e\u2066\n::error::forged\n \t##vso[task.setvariable variable=A]b\n##[command]c\nFORGED"
MAY_PRINT = {("screen.py",), ("reports", "console.py"), ("cli", "__init__.py")}
PRINTS = {"print", "secho", "echo", "write", "print_exc", "getLogger", "Console"}


def printing(source):
    """The names of calls that print: `print`, `click.echo`, `sys.stdout.write` and their like."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in {"print", "Console"}:
            yield node.func.id
        if isinstance(node.func, ast.Attribute) and node.func.attr in PRINTS:
            whole = ast.unparse(node.func)
            if whole.startswith(("click.", "sys.std", "traceback.", "logging.")):
                yield whole


def test_nothing_prints_but_the_border():
    paths = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts not in MAY_PRINT]
    assert len(paths) > 200
    found = {f"{path.relative_to(ROOT)}: {name}" for path in paths for name in printing(path.read_text())}
    assert found == set()


@pytest.mark.parametrize("source", ["print(1)", "click.echo('x')", "sys.stdout.write('x')", "logging.getLogger('x')"])
def test_what_prints_is_found(source):
    assert list(printing(source)) != []


SPEC = {
    "version": 1,
    "name": "suite",
    "description": "words",
    "tags": ["smoke"],
    "x-note": "anything",
    "provider": {"name": "offline", "label": "shown", "model": "small", "answers": "answers.yml", "params": {"user": "me"}},
    "prompt": {"system": "You are {{ who }}.", "user": "Say {{ word }}"},
    "inputs": {"who": {"type": "string", "description": "who it is", "default": "a clerk"}},
    "vars": {"word": "hello"},
    "tools": [{"name": "look", "description": "looks", "parameters": {"type": "object", "title": "looks"}}],
    "default_test": {"assert": [{"type": "not-contains", "value": "never"}]},
    "tests": [
        {"id": "a", "description": "first", "tags": ["t"], "vars": {"word": "hello"}, "assert": [{"type": "equals", "value": "no", "metric": "m"}]},
        {"id": "b", "skip": "not now", "vars": {"word": "hello"}, "assert": [{"type": "contains", "value": "x"}]},
    ],
    "gate": {"groups": {"tag:t": 1}},
    "outputs": ["summary.md", "junit.xml"],
}  # fmt: skip
DATA = {key: SPEC[key] for key in ("version", "name", "provider", "prompt", "inputs", "vars")}


def leaves(value, path=()):
    """Every place of a text in a value: (path, whether the key itself is meant)."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*path, key), True
            yield from leaves(child, (*path, key))
    elif isinstance(value, list):
        for n, child in enumerate(value):
            yield from leaves(child, (*path, n))
    elif isinstance(value, str):
        yield path, False


def poisoned(value, path, is_key):
    value = copy.deepcopy(value)
    *way, last = path
    part = value
    for step in way:
        part = part[step]
    if is_key:
        part[f"{last}{POISON}"] = part.pop(last)
    else:
        part[last] += POISON
    return value


PLACES = [
    pytest.param(path, is_key, id=f"{'.'.join(map(str, path))}{'(key)' if is_key else ''}")
    for path, is_key in leaves(SPEC)
]
ANSWERS = json.dumps([{"contains": "Say", "answer": POISON}])
CI = {"CI": "true"}
FAMILY = "screen"


def clean(tmp_path, *words, files, env=CI, code=tuple(range(5))):
    """Run a command; nothing that it prints, and no summary that it writes, may hold the poison."""
    folder = tmp_path / f"project-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    attack = Attack(FAMILY, "x", words, files, code, env=env)
    outcome = run(attack, folder)
    assert lost(attack, outcome, folder) == [], outcome.text[-2000:]
    if not {"render", "--dry-run", "pytest"} & set(words):  # which show prompts and answers as they are, line by line
        assert not re.search(r"^\s*FORGED", outcome.text, re.MULTILINE), outcome.text[-2000:]
    for path in folder.rglob("summary.md"):
        assert "\nFORGED" not in path.read_text()
        assert re.search(r"^\s*::|##\[|##\w+\[|<img", path.read_text(), re.MULTILINE) is None
    return outcome


@pytest.mark.parametrize(("path", "is_key"), PLACES)
def test_a_poisoned_field_of_a_spec(tmp_path, path, is_key):
    files = {"spec.yaml": json.dumps(poisoned(SPEC, path, is_key)), "answers.yml": ANSWERS}
    clean(tmp_path, "throughster", "check", "spec.yaml", files=files)
    clean(tmp_path, "throughster-run", "spec.yaml", "--format", "github", files=files)


FORMS = [
    ("throughster", "check", "spec.yaml"),
    ("throughster", "check", "spec.yaml", "--format", "json"),
    ("throughster", "check", "spec.yaml", "--format", "github"),
    ("throughster", "render", "spec.yaml"),
    ("throughster", "render", "spec.yaml", "--format", "json"),
    ("throughster-run", "spec.yaml", "--dry-run"),
    ("throughster-run", "spec.yaml", "--format", "github"),
    ("throughster-run", "spec.yaml", "--format", "json"),
    ("throughster-run", "spec.yaml", "-v", "-o", "summary.md"),
    ("throughster-run", "spec.yaml", "-q"),
]
HARMLESS = {("name",), ("outputs", 0), ("outputs", 1), ("provider", "answers"), ("version",), ("provider", "name")}


def all_poisoned(spec):
    """Every text that a valid spec may have freely, at once."""
    free = {
        "label",
        "model",
        "description",
        "user",
        "default",
        "word",
        "tags",
        "id",
        "skip",
        "value",
        "metric",
        "x-note",
    }
    for path, is_key in list(leaves(spec)):
        if not is_key and any(step in free for step in path) and path[-1] != "type":
            spec = poisoned(spec, path, is_key=False)
    return spec


@pytest.mark.parametrize("words", FORMS, ids=[" ".join(words[1:]) for words in FORMS])
@pytest.mark.parametrize("spec", [SPEC, DATA], ids=["tests", "data"])
def test_every_form_of_output_with_everything_poisoned(tmp_path, words, spec):
    files = {"spec.yaml": json.dumps(all_poisoned(spec)), "answers.yml": ANSWERS}
    clean(tmp_path, *words, files=files)


def test_pytest(tmp_path):
    files = {"specs/spec.yaml": json.dumps(all_poisoned(SPEC)), "specs/answers.yml": ANSWERS}
    outcome = clean(tmp_path, "pytest", "specs", "-rA", files=files)
    assert "1 failed" in outcome.text


def test_columns_and_cells_of_a_table(tmp_path):
    table = f'word,"{POISON}"\n"{POISON}",{POISON.replace(chr(10), " ")}\n'
    for words in FORMS:
        files = {"spec.yaml": json.dumps({**DATA, "data": "rows.csv"}), "answers.yml": ANSWERS, "rows.csv": table}
        clean(tmp_path, *words, files=files)


def test_names_of_files(tmp_path):
    name = POISON.replace("/", "").replace("\n", "\n") + ".yaml"
    spec = json.dumps({**DATA, "wrong": 1})
    for words in FORMS:
        clean(tmp_path, *(name if word == "spec.yaml" else word for word in words), files={name: spec})
        clean(tmp_path, *("." if word == "spec.yaml" else word for word in words), files={name: spec})


def test_json_output_reads_the_same_as_it_was():
    value = {"text": POISON + "\x7f ##teamcity[x]", "n": 1}
    text = json_text(value)
    assert json.loads(text) == value
    assert text == shown(text, ci=False)
    assert re.search(r"##\w*\[", text) is None


def test_a_line_of_a_log_is_safe(caplog):
    logging.getLogger("throughster").warning("%s is odd", POISON)
    assert "\x1b" not in caplog.text
    assert "FORGED" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


@pytest.mark.parametrize("text", ["::error::x", "  ::error::x", "a\n::x", "##[group]", "a ##vso[x]", "##teamcity[x]"])
def test_no_line_is_a_command_to_a_ci_system(text):
    assert shown(text, ci=True).replace("\u200b", "") == text
    assert shown(text, ci=True) != text


@pytest.mark.parametrize("text", ["std::vector", "## Heading", "a : b", "#1", "C#", "# [x]"])
def test_other_text_stays_as_it_is_where_it_is_no_command(text):
    assert shown(text, ci=False) == text


def test_half_a_character_can_be_printed():
    assert shown("a\ud83db") == "a\ufffdb"
