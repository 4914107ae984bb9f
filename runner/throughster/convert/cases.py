"""promptfoo's tests as cases: from lists, files and scenarios, with lists of values written out."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from throughster.convert.asserts import Asserts
from throughster.convert.fields import Fields, Known
from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.parts import Part
from throughster.convert.printed import javascript_number
from throughster.convert.table import row_part
from throughster.convert.templates import has_template

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Case", "Cases"]

_MOST_CASES = 100_000
_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")
_REFERENCE_ROUNDS = 5
_PARSE = re.compile(r"\s*JSON\.parse\(output\)\s*;?\s*")
_PROGRAMS = (".py", ".js", ".ts", ".mjs", ".cjs", ".mts", ".cts")
_MEDIA = (".pdf", ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".svg", ".mp4", ".webm", ".mp3", ".wav", ".mov")

_OWN_SPEC = "Put such tests into a spec of their own."
_REPLAY = "Replay a recording, see docs/cli.md."
_KNOWN: Known = {
    "provider": ("changes", "one test cannot have a provider of its own; left out.", _OWN_SPEC),
    "providers": ("changes", "every provider is asked here; left out.", _OWN_SPEC),
    "providerOutput": ("changes", "answers are always asked for here; left out.", _REPLAY),
    "assertScoringFunction": ("changes", "is a program; left out.", ""),
    "metadata": ("harmless", "has no counterpart; left out.", "Use `tags`."),
    "path": ("changes", "is a program that makes tests; left out.", "Let it write a CSV or JSONL file."),
    "config": ("changes", "belongs to a program that makes tests; left out.", ""),
}  # fmt: skip
_OPTIONS: Known = {
    "transform": (
        "changes",
        "is a program that changes the answer before it is checked; left out.",
        "A `path` may do.",
    ),
    "postprocess": ("changes", "is a program that changes the answer before it is checked; left out.", ""),
    "transformVars": ("changes", "is a program; left out.", ""),
    "storeOutputAs": ("changes", "an answer cannot become a variable of later tests here; left out.", ""),
    "rubricPrompt": (
        "changes",
        "the judge's own prompt cannot be replaced; left out.",
        "Put what matters into `value`.",
    ),
    "factuality": ("changes", "scores of the categories cannot be set; left out.", "Give the check a `threshold`."),
    "disableConversationVar": ("harmless", "there are no earlier turns here; left out.", ""),
    "runSerially": ("harmless", "tests do not depend on each other here; left out.", ""),
    "repeat": ("changes", "see the test's own `repeat`; left out.", "Set `repeat` of the test."),
}
_FIELDS = ("description", "vars", "assert", "threshold", "options", "prompts", *_KNOWN)


@dataclass(frozen=True)
class Case:
    """A case as a spec has it. `lost`: how many of its checks could not be carried. `prompts`: those it is for."""

    vars: dict[str, Any]
    checks: list[dict[str, Any]]
    place: Place
    description: str | None = None
    threshold: float | None = None
    prompts: tuple[str, ...] | None = None
    takes_defaults: bool = True
    prefix: str = ""
    suffix: str = ""
    lost: int = 0
    asked: int = 0
    messages: tuple[dict[str, str], ...] = ()

    def entry(self) -> dict[str, Any]:
        """What stands in a list of tests."""
        entry: dict[str, Any] = {}
        if self.description:
            entry["description"] = self.description
        if self.vars:
            entry["vars"] = self.vars
        if self.messages:
            entry["messages"] = list(self.messages)
        if self.checks:
            entry["assert"] = self.checks
        if self.threshold is not None:
            entry["threshold"] = self.threshold
        return entry


@dataclass
class Cases:
    """Converts tests. `asserts`: what converts their checks.

    `expands_defaults`: variables of `defaultTest` that have to be written out with each test's own;
    `parses_by_default`, `checks_by_default`: whether it parses answers, and has checks.
    """

    files: Files
    losses: Losses
    asserts: Asserts
    count: int = 0
    expands_defaults: dict[str, Part] = field(default_factory=dict)
    parses_by_default: bool = False
    checks_by_default: bool = False

    def convert(self, part: Part) -> list[Case]:
        """The cases of a `tests:` value, in order."""
        return [case for entry in self.parts(part) for case in self.one(entry)]

    def parts(self, part: Part) -> Iterator[Part]:
        """The tests as they are written, whichever files they are in."""
        if isinstance(part.value, list):
            for entry in part.value:
                yield from self.parts(entry)
        elif part.is_text:
            yield from self._from_files(part)
        elif isinstance(part.value, dict):
            yield part
        else:
            self.losses.changes(part.at, "`tests`", "is neither a test nor a file of tests; left out.")

    def _from_files(self, part: Part) -> Iterator[Part]:
        name = part.value
        bare = name.removeprefix(FILE)
        if re.match(r"(?!file:)[a-z]+://", name):
            todo = "Save the rows as a CSV or JSONL file, and name it under `tests`."
            self.losses.changes(part.at, quoted(name), "is fetched from elsewhere; left out.", todo)
            return
        try:
            matches = self.files.matches(bare)
            if not matches:
                self.losses.changes(part.at, quoted(name), "no file has this name; left out.")
            for match in matches:
                yield from self._in_file(match, part)
        except NotReadable as problem:
            if PurePosixPath(bare.partition(":")[0]).suffix in _PROGRAMS:
                todo = "Let it write a CSV or JSONL file."
                self.losses.changes(part.at, quoted(name), "is a program that makes tests; left out.", todo)
            else:
                self.losses.changes(part.at, quoted(name), f"{problem} Left out.")

    def _in_file(self, name: str, part: Part) -> Iterator[Part]:
        ending = PurePosixPath(name.partition(":")[0]).suffix.lower()
        if ending == ".csv":
            shown = self.files.shown(self.files.path(name), name)
            for line, row in self.files.rows(name):
                yield row_part(row, Place(shown, line, 1), self.losses)
        elif ending in (".yaml", ".yml", ".json"):
            yield from self.parts(self.files.tree(name))
        elif ending in (".jsonl", ".ndjson"):
            for entry in self.files.json_lines(name):
                yield from self.parts(entry)
        elif ending in _PROGRAMS:
            self.losses.changes(
                part.at, quoted(part.value), "is a program that makes tests; left out.", "Let it write a CSV file."
            )
        else:
            self.losses.changes(part.at, quoted(part.value), f"tests are not read from `{ending}` files; left out.")

    def scenarios(self, part: Part) -> list[Case]:
        """Each configuration of a scenario with each of its tests."""
        found: list[Case] = []
        for entry in part.value if isinstance(part.value, list) else [part]:
            if entry.is_text:
                try:
                    found += [
                        case
                        for match in self.files.matches(entry.value)
                        for case in self.scenarios(self.files.tree(match))
                    ]
                except NotReadable as problem:
                    self.losses.changes(entry.at, quoted(entry.value), f"{problem} Left out.")
                continue
            fields = Fields(entry, self.losses, "scenario")
            configs, tests = fields.take("config"), fields.take("tests")
            fields.take("description")
            fields.close({}, ("config", "tests", "description"), strict=True)
            bases = list(self.parts(configs)) if configs is not None else []
            written = list(self.parts(tests)) if tests is not None else [Part({}, entry.place)]
            found += [case for base in bases for test in written for case in self.one(_merged(base, test))]
        return found

    def one(self, part: Part, owner: str = "test") -> list[Case]:
        """The cases that one test stands for: several where values are lists."""
        fields = Fields(part, self.losses, owner)
        description, threshold = fields.text("description"), fields.number("threshold")
        options = Fields(fields.take("options") or Part({}, part.place), self.losses, f"{owner}.options")
        expands = not options.flag("disableVarExpansion")
        takes_defaults = not options.flag("disableDefaultAsserts")
        prefix, suffix = options.text("prefix") or "", options.text("suffix") or ""
        grader = options.take("provider")
        if grader is not None:
            self.asserts.graders.append(grader)
        parses = self._parses(options, owner)
        prompts = fields.take("prompts")
        written = fields.take("assert")
        threshold = self._threshold(threshold, part)
        checks = self.asserts.convert(written, parsed=parses) if written is not None else []
        asked = 0 if written is None else len(written.value) if isinstance(written.value, list) else 1
        if threshold == 0 and (checks or self.checks_by_default or owner == "defaultTest"):
            why = "is reached by every answer, so that no check can fail the test."
            self.losses.changes(part.at, f"`{owner}.threshold`", why, "Remove it, or set one above 0.")
        values = {**self.expands_defaults, **self.variables(fields.take("vars"))}
        fields.close(_KNOWN, _FIELDS, strict=True)
        self._close_options(options)
        case = Case(
            {}, checks, part.place, description, threshold, _names(prompts), takes_defaults, prefix, suffix,
            asked - len(checks), asked,
        )  # fmt: skip
        return [replace(case, vars=one) for one in self.expanded(values, part.place, expands=expands)]

    def _parses(self, options: Fields, owner: str) -> bool:
        """Whether answers are parsed before they are checked. Takes a transform that does just that."""
        transform = options.part.get("transform")
        if transform is None or not _PARSE.fullmatch(transform.text()):
            return self.parses_by_default
        options.take("transform")
        why = "parses the answer; checks of parts do so here, and texts are compared with what the model wrote."
        self.losses.once(transform.at, "harmless", f"`{owner}.options.transform`", why)
        if owner == "defaultTest":
            self.parses_by_default = True
        return True

    def _threshold(self, threshold: float | None, part: Part) -> float | None:
        if threshold is not None and not 0 <= threshold <= 1:
            self.losses.changes(
                part.at, "`test.threshold`", "is not from 0 to 1, so that it cannot be met or missed; left out."
            )
            return None
        return threshold

    def _close_options(self, options: Fields) -> None:
        taken = ("provider", "prefix", "suffix", "disableVarExpansion", "disableDefaultAsserts")
        for name in [name for name in options.names if name not in _OPTIONS and name not in taken]:
            part = options.take(name)
            if part is not None:
                why = "parameters belong to a provider here, not to a test; left out."
                self.losses.changes(part.at, options.named(name), why)
        options.close(_OPTIONS, taken)

    def variables(self, part: Part | None) -> dict[str, Part]:
        """The variables of a test, with those in files."""
        if part is None:
            return {}
        if isinstance(part.value, dict):
            return dict(part.value)
        found: dict[str, Part] = {}
        for entry in part.value if isinstance(part.value, list) else [part]:
            try:
                for match in self.files.matches(entry.text()):
                    tree = self.files.tree(match)
                    found.update(tree.value if isinstance(tree.value, dict) else {})
            except NotReadable as problem:
                self.losses.changes(entry.at, "`vars`", f"{problem} Left out.")
        return found

    def expanded(self, values: dict[str, Part], place: Place, *, expands: bool) -> Iterator[dict[str, Any]]:
        """Each combination of the values that are lists."""
        choices: dict[str, list[Any]] = {}
        for name, part in values.items():
            several = expands and _is_texts(part)
            entries = part.value if several else [part]
            choices[name] = [value for entry in entries for value in self._value(name, entry)]
        for combination in itertools.product(*choices.values()):
            self.count += 1
            if self.count > _MOST_CASES:
                self.losses.changes(
                    place, "`tests`", f"come to more than {_MOST_CASES:,} cases; the others are left out."
                )
                return
            yield self._resolved(dict(zip(choices, combination, strict=True)), place)

    def _value(self, name: str, part: Part) -> list[Any]:
        """What a variable's value stands for; several, where it names several files."""
        value = _plain(part.plain())
        if not isinstance(value, str):
            return ["" if value is None else value]
        if value.startswith("package:"):
            self.losses.changes(part.at, f"`vars.{name}`", "is a program; its name stands there now.")
        if not value.startswith(FILE):
            return [value]
        try:
            return [self._file_value(match) for match in self.files.matches(value)] or [value]
        except NotReadable as problem:
            self.losses.changes(part.at, f"`vars.{name}`", f"{problem} The name of the file stands there now.")
            return [value]

    def _file_value(self, name: str) -> Any:
        ending = PurePosixPath(name.partition(":")[0]).suffix.lower()
        if ending in _PROGRAMS or ending in _MEDIA:
            kind = "is a program" if ending in _PROGRAMS else "is no text"
            raise NotReadable(f"`{name}` {kind}.")
        if ending in (".yaml", ".yml"):
            return self.files.tree(name).text()
        return self.files.text(name).strip()

    def _resolved(self, values: dict[str, Any], place: Place) -> dict[str, Any]:
        """Values as promptfoo puts them in: without a last line break, and with other variables of the test."""
        values = {name: v.removesuffix("\n") if isinstance(v, str) else v for name, v in values.items()}
        for _ in range(_REFERENCE_ROUNDS):
            changed = False
            for name, value in values.items():
                if isinstance(value, str) and "{{" in value:
                    filled = _VARIABLE.sub(
                        lambda found: (
                            str(values[found[1]]) if isinstance(values.get(found[1]), str | int) else found[0]
                        ),
                        value,
                    )
                    changed = changed or filled != value
                    values[name] = filled if len(filled) < 1_000_000 else value
            if not changed:
                break
        for name, value in values.items():
            if isinstance(value, str) and has_template(value):
                why = "is a template in a value; values are never rendered here, so its braces stay."
                self.losses.changes(place, f"`vars.{name}`", why)
        return values


def _plain(value: Any) -> Any:
    """A value as promptfoo has it: numbers as JavaScript writes them."""
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    return [_plain(child) for child in value] if isinstance(value, list) else javascript_number(value)


def _is_texts(part: Part) -> bool:
    """Whether promptfoo makes a case of each entry: it looks at the first only. Any other list is one value."""
    return isinstance(part.value, list) and bool(part.value) and isinstance(part.value[0].value, str)


def _names(part: Part | None) -> tuple[str, ...] | None:
    if part is None:
        return None
    return tuple(one.text() for one in part.value) if isinstance(part.value, list) else (part.text(),)


def _merged(base: Part, test: Part) -> Part:
    """A test over the configuration of its scenario: variables and options one by one, checks one after the other."""
    entries = {**base.value, **test.value}
    for name in ("vars", "options", "metadata"):
        one, other = base.get(name), test.get(name)
        if one is not None and other is not None and isinstance(one.value, dict) and isinstance(other.value, dict):
            entries[name] = Part({**one.value, **other.value}, other.place, other.key)
    one, other = base.get("assert"), test.get("assert")
    if one is not None and other is not None and isinstance(one.value, list) and isinstance(other.value, list):
        entries["assert"] = Part([*one.value, *other.value], other.place, other.key)
    return Part(entries, test.place if test.value else base.place, test.key)
