"""From a file of another program to specs on disk: find out what it is, convert, write, check what was written."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from throughster.convert.drafts import Draft, file_name
from throughster.convert.files import Files
from throughster.convert.losses import Loss, Losses, Place, quoted
from throughster.convert.promptflow import convert_promptflow, is_promptflow
from throughster.convert.promptfoo import TOP_KEYS, convert_promptfoo
from throughster.convert.prompty import is_prompty, read_prompty
from throughster.errors import Problem, SpecError
from throughster.names import did_you_mean
from throughster.paths import project_root
from throughster.providers import PROVIDERS
from throughster.redact import redact
from throughster.running.plan import Options, prepare
from throughster.spec.secrets import keys_by_looks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughster.convert.parts import Part

__all__ = ["Conversion", "check_written", "convert", "find_sources", "write_drafts"]

Kind = Literal["promptfoo", "prompty", "prompt flow"]

_LARGEST = 20_000_000
_CONFIGURATIONS = ("promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json")
_PROGRAMS = (".js", ".ts", ".mjs", ".cjs", ".mts", ".cts", ".py")
_PROBES = {"string": "x", "text": "x", "number": "1", "integer": "1", "boolean": "true", "array": "[]", "object": "{}"}
"""Values that stand in for those that are given at a run, while the spec is checked."""


@dataclass(frozen=True)
class Conversion:
    """What became of a source.

    `drafts` are written into `folder`; `hosts` must be allowed outside the specs; `secrets` are kept out of everything.
    """

    source: str
    kind: Kind
    folder: Path
    drafts: tuple[Draft, ...]
    losses: tuple[Loss, ...]
    unshown: int = 0
    hosts: tuple[str, ...] = ()
    needs: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def changes_meaning(self) -> bool:
        return any(loss.severity == "changes" for loss in self.losses)

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / draft.name for draft in self.drafts)


def find_sources(name: str) -> list[str]:
    """The files that a source stands for: itself, or those of a folder. Raises SpecError."""
    if name == "-" or not Path(name).is_dir():
        return [name]
    for configuration in _CONFIGURATIONS:
        if (Path(name) / configuration).is_file():
            return [str(Path(name) / configuration)]
    found = sorted(str(path) for path in Path(name).glob("*.prompty") if path.is_file())
    if not found:
        hint = "A folder holds a promptfooconfig.yaml, or files that end in .prompty."
        raise SpecError([Problem(name, 0, 0, "Nothing to convert here.", hint)])
    return found


def convert(source: str, output: str | None) -> Conversion:
    """Convert one source; nothing is written yet. `output`: a `.yaml` file, or a folder. Raises SpecError."""
    text, shown, base = _read(source)
    losses = Losses()
    hosts: dict[str, None] = {}
    secrets: list[str] = []
    files = Files(base, project_root(base))
    folder, name = _target(source, output, base)
    if source.lower().endswith(".prompty") or (source == "-" and is_prompty(text)):
        prompty = read_prompty(text, shown, files, losses, hosts, secrets)
        kind: Kind = "prompty"
        drafts = [prompty.draft(name, f"Converted from {Path(shown).name}.")]
    else:
        root = files.parse(text, shown, is_json=source.lower().endswith(".json"))
        _refuse_others(root, shown)
        if is_promptflow(root):
            kind = "prompt flow"
            drafts = convert_promptflow(root, files, losses, name=name, folder=folder, hosts=hosts, secrets=secrets)
        else:
            kind = "promptfoo"
            drafts = convert_promptfoo(root, files, losses, name=name, folder=folder, hosts=hosts, secrets=secrets)
    _check_count(source, output, drafts)
    _hide_keys(drafts, secrets, losses, shown)
    hidden = [secret for secret in secrets if len(secret) >= 8]
    return Conversion(
        shown,
        kind,
        folder,
        tuple(drafts),
        tuple(replace(loss, what=redact(loss.what, hidden), why=redact(loss.why, hidden)) for loss in losses.all),
        losses.unshown,
        tuple(hosts),
        {name: kind for draft in drafts for name, kind in draft.needs.items()},
        tuple(hidden),
    )


def _hide_keys(drafts: list[Draft], secrets: list[str], losses: Losses, shown: str) -> None:
    """Tell of what looks like a key in prompts, tests and tables; it is written as stars."""
    for draft in drafts:
        for path, key in keys_by_looks(draft.value):
            if key not in secrets:
                secrets.append(key)
                what = "`" + ".".join(map(str, path)) + "`" if path else quoted(draft.name)
                why = "looks like a key, which a spec never holds; stars are in its place."
                losses.changes(Place(shown), what, why, "Remove it from the source too.")


def _read(source: str) -> tuple[str, str, Path]:
    """(text, what messages call it, the folder that its names are relative to)."""
    if source == "-":
        return _decoded(sys.stdin.buffer.read(_LARGEST + 1), "stdin"), "stdin", Path.cwd()
    path = Path(source)
    if path.suffix.lower() in _PROGRAMS:
        raise SpecError([Problem(source, 0, 0, "This is a program, which is not run.", "Convert a YAML or JSON file.")])
    try:
        if not path.exists():
            raise SpecError([Problem(source, 0, 0, "This file does not exist.", "Check the name and the folder.")])
        if not path.is_file():
            raise SpecError([Problem(source, 0, 0, "This is not a regular file.")])
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise SpecError([Problem(source, 0, 0, f"This file cannot be read: {error.strerror}.")]) from None
    except ValueError:
        raise SpecError([Problem("source", 0, 0, "This is not the name of a file.")]) from None
    return _decoded(data, source), source, Path(os.path.realpath(path)).parent


def _decoded(data: bytes, shown: str) -> str:
    if len(data) > _LARGEST:
        raise SpecError([Problem(shown, 0, 0, f"The file is larger than {_LARGEST:,} bytes.")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise SpecError([Problem(shown, line, column, "The file is not UTF-8 text.")]) from None


def _refuse_others(root: Part, shown: str) -> None:
    place = root.place
    if not isinstance(root.value, dict):
        message = "This is neither a promptfoo configuration nor a run of prompt flow: it is no mapping."
        raise SpecError([Problem(shown, place.line, place.column, message)])
    if "version" in root.value and "prompt" in root.value:
        raise SpecError([Problem(shown, place.line, place.column, "This is a spec already.")])
    if not set(root.value) & {"prompts", "providers", "targets", "tests", "scenarios", "flow"}:
        if "nodes" in root.value:
            message, hint = "A flow of nodes is a program.", "Convert the `.prompty` files that it uses."
        else:
            message = "This is neither a promptfoo configuration nor a run of prompt flow."
            hint = next(filter(None, (did_you_mean(key, TOP_KEYS) for key in root.value)), "")
            hint = hint or "promptfoo's has `prompts`, `providers` and `tests`; a run of prompt flow has `flow`."
        raise SpecError([Problem(shown, place.line, place.column, message, hint)])


def _target(source: str, output: str | None, base: Path) -> tuple[Path, str]:
    """(folder to write to, name of the spec)."""
    stem = "converted" if source == "-" else Path(source).name.rpartition(".")[0]
    if stem == "promptfooconfig":
        stem = base.name or "suite"
    name = file_name(stem, fallback="suite")
    if output is None:
        folder = Path() if source == "-" else Path(source).parent
        if (folder / f"{name}.yaml").exists() and source != "-" and (folder / f"{name}.yaml").samefile(source):
            name = f"{name}-spec"
        return folder, name
    if output.lower().endswith((".yaml", ".yml")):
        return Path(output).parent, Path(output).name.rpartition(".")[0]
    return Path(output), name


def _check_count(source: str, output: str | None, drafts: Sequence[Draft]) -> None:
    count = sum(draft.is_spec for draft in drafts)
    if output is not None and output.lower().endswith((".yaml", ".yml")) and count > 1:
        hint = f"Name a folder, as in -o {output.rpartition('.')[0] or 'specs'}."
        message = f"It has {count} prompts, and each becomes a spec of its own; `{output}` is one file."
        raise SpecError([Problem(source, 0, 0, message, hint)])


def write_drafts(conversion: Conversion, *, force: bool) -> None:
    """Write the files. Raises SpecError, and writes nothing, where one exists already and `force` is not given."""
    problems = []
    for path in conversion.paths:
        if path.exists() and conversion.source != "stdin" and path.samefile(conversion.source):
            problems.append(Problem(str(path), 0, 0, "This is the source, which is never overwritten.", "Use -o."))
        elif path.exists() and not force:
            hint = "Use -o for another place, or --force to overwrite."
            problems.append(Problem(str(path), 0, 0, "This file exists already; nothing was written.", hint))
        elif path.is_dir():
            problems.append(Problem(str(path), 0, 0, "This is a folder; nothing was written."))
    if problems:
        raise SpecError(problems)
    conversion.folder.mkdir(parents=True, exist_ok=True)
    for path, draft in zip(conversion.paths, conversion.drafts, strict=True):
        path.write_bytes(draft.text(conversion.secrets).encode("utf-8"))


@contextlib.contextmanager
def _named_models() -> Iterator[None]:
    """Models that come from the environment have a name in it while a spec is checked."""
    names = [f"{provider.env_prefix}MODEL_NAME" for provider in PROVIDERS.values() if not provider.starts_emulator]
    missing = [name for name in names if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "model"))
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


def check_written(conversion: Conversion) -> list[tuple[Path, str, list[Problem]]]:
    """(spec, what it will do, its errors) of each spec that was written; as `throughster check`, without keys."""
    found = []
    for path, draft in zip(conversion.paths, conversion.drafts, strict=True):
        if draft.is_spec:
            probes = {name: _PROBES.get(kind, "x") for name, kind in draft.needs.items()}
            options = Options(hosts=conversion.hosts, keyless=True, variables=probes)
            with _named_models():
                plans, problems = prepare([path], [], options)
            errors = [problem for problem in problems if problem.severity == "error"]
            found.append((path, plans[0].describe() if plans else "", errors))
    return found
