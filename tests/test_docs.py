"""What the documentation says, held against the program: examples run, tables are complete, links lead somewhere.

A block of a document may have a comment before it. `<!-- file: NAME -->` gives the block a file name for the commands
and specs of that document; `with mistakes` behind the name says that it is a spec which does not load. A `console` block
holds commands after `$ ` and what they print. A `python` block without a file stands for itself.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import io
import re
import shlex
import shutil
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import throughster
from throughster import errors
from throughster.cli import app, exits
from throughster.cli.selection import spec_options
from throughster.client import Interface
from throughster.emulator import Options as EmulatorOptions
from throughster.emulator import parse_answers
from throughster.running.plan import Options, prepare
from throughster.running.result import STATUSES, Result
from throughster.spec.model import ProviderSpec, Spec
from throughster.spec.prompt import PromptSpec
from throughster.spec.unbuilt import NOT_BUILT
from throughster.types import Response
from throughster.yamltree import parse_yaml

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
KEYS = ("AZURE_OPENAI_API_KEY", "OPENAI_API_KEY", "MISTRAL_API_KEY")

_BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+)(?P<wrong> with mistakes)? -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<inline>[^)\s]+)\)|^\[[^\]]+\]: (?P<listed>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and text, and the file that it is."""

    place: str
    language: str
    text: str
    file: str | None
    wrong: bool


def read(document):
    return document.read_text("utf-8")


def prose(document):
    return _BLOCK.sub("", read(document))


def blocks(document, language=None):
    text = read(document)
    for found in _BLOCK.finditer(text):
        if language in (None, found["language"]):
            line = text.count("\n", 0, found.start("text"))
            place = f"{document.name}:{line}"
            yield Block(place, found["language"], found["text"], found["file"], bool(found["wrong"]))


def every(language):
    return [
        pytest.param(block, document, id=block.place) for document in DOCUMENTS for block in blocks(document, language)
    ]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """`project(document)`: a folder with the files that the document's examples use, as the working directory."""

    def lay_out(document):
        (tmp_path / "throughster.toml").write_text("")
        for folder in ("specs", "schemas"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        for block in blocks(document):
            if block.file is not None:
                (tmp_path / block.file).write_text(block.text, "utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return lay_out


def keys_of(text):
    document, problems = parse_yaml(text, "block")
    value = document.value() if document is not None and not problems else None
    return set(value) if isinstance(value, dict) else set()


# -- YAML and commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "document"), every("yaml"))
def test_a_spec_in_the_documentation_is_good(block, document, project, monkeypatch):
    """A whole spec as it stands; a part of one in a spec that says the rest. Other YAML has a file that a spec names."""
    keys = keys_of(block.text)
    if block.text.startswith("# yaml-language-server") and block.text.count("\n") == 1:
        return
    if not keys & set(Spec.model_fields):
        assert block.file is not None, "a YAML block that is neither a spec nor a file of one"
        return
    rest = "" if "version" in keys else "version: 1\n"
    rest += "" if keys & {"provider", "providers"} else "provider: offline\n"
    rest += "" if "prompt" in keys else "prompt: Say hello.\n"
    folder = project(document)
    path = folder / (block.file or "example.yaml")
    path.write_text(rest + block.text, "utf-8")
    for name in KEYS:
        monkeypatch.setenv(name, "a-key-for-tests")
    plans, problems = prepare([path], [], Options())
    if block.wrong:
        assert any(problem.severity == "error" for problem in problems)
    else:
        assert [str(problem) for problem in problems] == []
        assert len(plans) == 1


def commands(block):
    """(command, what it prints) of a console block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


@pytest.fixture
def run(monkeypatch):
    """`run("throughster-run SPEC")`: what the command prints on both streams, in the order in which it does."""

    def call(line):
        program, *arguments = shlex.split(line)
        screen = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        command = app.group if program == "throughster" else app.group.get_command(click.Context(app.group), "run")
        with monkeypatch.context() as here, pytest.raises(SystemExit) as left:
            here.setenv("COLUMNS", "100")
            here.setattr(sys, "argv", [program, *arguments])
            here.setattr(sys, "stdout", screen)
            here.setattr(sys, "stderr", screen)
            app.invoke(command, program)
        assert left.value.code in (exits.OK, exits.WRONG)
        return screen.buffer.getvalue().decode()

    return call


def normalised(printed):
    """What does not change from run to run."""
    printed = re.sub(r"\d{8}T\d{6}Z(-\d+)?", "TIME", printed)
    printed = re.sub(r"[\d.,]+ s, [\d.,]+ rows/s", "SECONDS", printed)
    printed = re.sub(r'"(latency_s|elapsed_s|waited_s)":[\d.e-]+', r'"\1":SECONDS', printed)
    return [line.rstrip() for line in printed.rstrip().splitlines()]


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if any(blocks(d, "console"))], ids=lambda d: d.name)
def test_commands_print_what_the_documentation_shows(document, project, run):
    project(document)
    shown = [(block.place, *pair) for block in blocks(document, "console") for pair in commands(block)]
    assert shown, "a console block begins with `$ ` and a command"
    for place, command, printed in shown:
        assert normalised(run(command)) == normalised(printed), f"{place}: {command}"


# -- Python ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "document"), every("python"))
def test_python_in_the_documentation_runs(block, document, project):
    """Every block is a program of its own; those that ask somebody ask the emulator."""
    code = compile(block.text, block.place, "exec")
    if "hf_datasets" in block.text:  # keeps its cache in the home folder; tests/test_hf_datasets.py runs its like
        return
    project(document)
    exec(code, {"__name__": "__main__"})


# -- links ----------------------------------------------------------------------------------------------------------------


def anchors(path):
    """What can stand after `#`: slugs of headings, names of functions and classes."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document):
    dead = []
    for found in _LINK.finditer(prose(document)):
        target = found["inline"] or found["listed"]
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert dead == []


def test_every_link_by_name_has_its_target():
    text = prose(ROOT / "README.md")
    named = set(re.findall(r"\[[^\]]+\]\[([^\]]+)\]", text))
    assert named == set(re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE))


# -- tables ---------------------------------------------------------------------------------------------------------------


def tables(text):
    """(names of the columns, rows of cells) of every table."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text + "\n", re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.strip().splitlines()
        ]
        yield head, rows


def rows(document, first_column, section=None):
    """The rows of the tables whose first column has this name, in the whole document or under one heading."""
    text = read(ROOT / document)
    if section is not None:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        assert text, f"{document} has no section {section}"
    return [row for head, body in tables(text) if head[0] == first_column for row in body]


def in_backticks(cell):
    return re.findall(r"`([^`]+)`", cell)


def spec_keys(model=Spec, path=""):
    """(dotted key, field) of everything that a spec may hold; `[]` stands for an entry, `NAME` for any name."""
    for name, field in model.model_fields.items():
        key = f"{path}{field.alias or name}"
        yield key, field
        if not (model is Spec and name == "providers") and key != "grader.provider":
            yield from below(field.annotation, key)


def below(annotation, key):
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is PromptSpec:
        yield from ((f"prompt{end}", None) for end in (".system", ".user", ".file", "[].role", "[].content"))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from spec_keys(annotation, f"{key}.")
    elif origin is tuple:
        yield from below(arguments[0], f"{key}[]")
    elif origin is dict:
        yield from below(arguments[1], f"{key}.NAME")
    elif origin is typing.Annotated:
        yield from below(arguments[0], key)
    elif origin in (typing.Union, types.UnionType):
        for argument in arguments:
            yield from below(argument, key)


UNBUILT_KEYS = tuple(row.path for row in NOT_BUILT if row.is_whole_key)


def is_built(key):
    return not any(key == path or key.startswith((f"{path}.", f"{path}[")) for path in UNBUILT_KEYS)


def test_every_key_of_a_spec_is_documented():
    documented = [in_backticks(row[0])[0] for row in rows("docs/spec.md", "key")]
    assert sorted(documented) == sorted(key for key, _ in spec_keys() if is_built(key))
    mentioned = set(in_backticks(prose(ROOT / "docs/spec.md")))
    left = [key for key, _ in spec_keys() if not is_built(key)]
    assert [key for key in left if not {key, key.rpartition(".")[2]} & mentioned] == []


def test_the_walk_over_the_keys_sees_nested_ones():
    keys = {key for key, _ in spec_keys()}
    assert {"provider.price.input", "retry.deadline_s", "inputs.NAME.type", "tools[].name", "prompt[].role"} <= keys
    assert {f"provider.{name}" for name in ProviderSpec.model_fields} <= keys


def test_documented_defaults_are_those_of_the_model():
    fields = dict(spec_keys())
    assert len(fields) > 50
    for key, _, default, *_ in rows("docs/spec.md", "key"):
        field = fields[in_backticks(key)[0]]
        value = None if field is None or field.is_required() else field.get_default(call_default_factory=True)
        if field is not None and field.is_required() and field.default is PydanticUndefined:
            assert default.startswith("required") or key == "`name`", key
        elif isinstance(value, str | int | float):
            shown = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
            number = isinstance(shown, int | float) and float(in_backticks(default)[0]) == shown
            assert number or in_backticks(default) == [shown], key


def shown_unbuilt(row):
    if row.is_whole_key:
        return f"`{row.path}`"
    if row.endings:
        return ", ".join(f"`{ending}`" for ending in row.endings) + f" in `{row.path}`"
    values = ["true" if value is True else value for value in row.values]
    return ", ".join(f"`{row.path}: {value}`" for value in values)


def test_what_this_version_does_not_do_is_said_in_one_place():
    """A feature that lands deletes its row in `spec/unbuilt.py`, and this table's; its keys move into the tables above."""
    said = [row[0] for row in rows("docs/spec.md", "key or value", "Not in this version")]
    assert sorted(said) == sorted(map(shown_unbuilt, NOT_BUILT))


def test_what_is_said_to_be_missing_on_the_command_line_is_missing():
    missing = {name for row in rows("docs/spec.md", "command or option") for name in in_backticks(row[0])}
    group = click.Context(app.group)
    there = {name for option in options(app.group.get_command(group, "run")) for name in option}
    assert missing & (there | set(app.COMMANDS)) == set()


def flat_fields(cls, path=""):
    for field in dataclasses.fields(cls):
        yield f"{path}{field.name}"
        kind = typing.get_type_hints(cls)[field.name]
        for argument in (kind, *typing.get_args(kind)):
            if dataclasses.is_dataclass(argument):
                is_list = typing.get_origin(kind) is tuple
                yield from flat_fields(argument, f"{path}{field.name}{'[]' if is_list else ''}.")


def test_every_field_of_a_result_is_documented():
    documented = [in_backticks(row[0])[0] for row in rows("docs/results.md", "field")]
    assert documented == list(flat_fields(Result))


def test_every_status_is_documented():
    assert [in_backticks(row[0])[0] for row in rows("docs/results.md", "status")] == list(STATUSES)


def test_every_exit_code_is_documented():
    documented = {int(code) for row in rows("docs/cli.md", "code") for code in row[0].split(", ")}
    known = {value for name, value in vars(exits).items() if name.isupper()}
    assert documented == known | {143, 129}


def options(command):
    return {
        frozenset((*option.opts, *option.secondary_opts))
        for option in command.params
        if isinstance(option, click.Option)
    }


def documented_options(section):
    """The options of a section, each as the set of its spellings."""
    return {
        frozenset(word for text in in_backticks(row[0]) for word in re.findall(r"^--?[\w-]+", text))
        for row in rows("docs/cli.md", "option", section)
    }


def test_every_option_is_documented():
    shared = {frozenset({"-h", "--help"}), *options(spec_options(click.command()(lambda: None)))}
    assert documented_options("Choosing rows and overriding the spec") == shared
    group = click.Context(app.group)
    for name in app.COMMANDS:
        command = app.group.get_command(group, name)
        expected = {frozenset({"-h", "--help"}), *options(command)}
        is_choosing = shared <= expected
        assert documented_options(name) == (expected - shared if is_choosing else expected), name


def test_every_command_is_documented():
    named = {in_backticks(row[0])[0].split()[1] for row in rows("docs/cli.md", "command") if "throughster " in row[0]}
    assert named - {"--version"} == set(app.COMMANDS)


def test_every_public_name_is_documented():
    text = read(ROOT / "docs/library.md")
    assert [name for name in throughster.__all__ if not re.search(rf"(?<!\w){name}(?!\w)", text)] == []


def test_every_method_and_option_of_a_client_is_documented():
    named = {re.match(r"\w+", name)[0] for row in rows("docs/library.md", "method") for name in in_backticks(row[0])}
    assert named == {name for name in dir(Interface) if not name.startswith("_")} - {"provider"}
    documented = [in_backticks(row[0])[0] for row in rows("docs/library.md", "option")]
    assert documented == list(inspect.signature(Interface).parameters)
    of_a_run = [in_backticks(row[0])[0] for row in rows("docs/library.md", "option of a run")]
    assert ["spec_path", *of_a_run] == list(inspect.signature(throughster.arun).parameters)


def test_every_field_of_a_response_is_documented():
    documented = {in_backticks(row[0])[0] for row in rows("docs/library.md", "field")}
    assert documented == {field.name for field in dataclasses.fields(Response)}


def test_the_emulators_options_and_answers_are_documented():
    documented = [name for row in rows("docs/emulator.md", "field of `Options`") for name in in_backticks(row[0])]
    assert documented == [field.name for field in dataclasses.fields(EmulatorOptions)]
    with pytest.raises(errors.SpecError) as caught:
        parse_answers("[{nonsense: 1}]", "answers.yaml")
    keys = in_backticks(caught.value.problems[0].hint.partition("has")[2])
    assert keys == [in_backticks(row[0])[0] for row in rows("docs/spec.md", "key of an entry")]


def test_the_documented_error_tree_is_the_real_one():
    tree = next(block.text for block in blocks(ROOT / "docs/library.md", "") if "ThroughsterError" in block.text)
    found, above = {}, []
    for line in tree.splitlines():
        name = re.search(r"\w+Error", line)
        depth = name.start() // 4
        above[depth:] = [name[0]]
        found[name[0]] = above[depth - 1] if depth else "Exception"
    known = {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}
    assert found == {name: cls.__base__.__name__ for name, cls in known.items()}


def test_the_table_of_rooms_has_the_levels_that_are_tested():
    source = importlib.util.spec_from_file_location("layers", ROOT / "tests" / "test_layers.py")
    layers = importlib.util.module_from_spec(source)
    source.loader.exec_module(layers)
    found = {
        re.sub(r"\.py$|/$", "", in_backticks(row[1])[0]): int(row[0]) for row in rows("docs/architecture.md", "level")
    }
    assert found == layers.LEVEL
