"""promptfoo's prompts: texts, files of several, chats as JSON or YAML."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from throughster.convert.fields import Fields, Known
from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.parts import Part, part_of_plain
from throughster.convert.templates import is_always_loaded, translate_template
from throughster.convert.turns import BARE_DUMP, Turns, looped_chat
from throughster.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.convert.providers import Asked

__all__ = ["Prompt", "Prompts"]

_TEXT_ENDINGS = (".txt", ".md", ".j2", ".json", ".yaml", ".yml", ".jsonl", ".csv")
_PROGRAM_ENDINGS = (
    ".py", ".js", ".ts", ".mjs", ".cjs", ".mts", ".cts", ".sh", ".bash", ".exe", ".bat", ".cmd", ".ps1", ".rb", ".pl",
)  # fmt: skip
_REMOTE = ("portkey://", "langfuse://", "helicone://", "pf://", "http://", "https://")
_ROLES = frozenset({"system", "developer", "user", "assistant"})
_KNOWN: Known = {
    "function": ("changes", "is a program, which a spec never runs; left out.", ""),
    "display": ("harmless", "is an older name of `label`; left out.", ""),
}


@dataclass(frozen=True)
class Prompt:
    """`body`: what stands under `prompt:` in a spec. `names`: what tests and providers call it. `env`: see templates.

    `texts`: the templates in it; `is_broken`: one has a part without a counterpart; `config`: parameters that belong to
    this prompt only, and `own` what they come to. `turns`: messages that each test fills in, before the last one;
    `loaded`: variables that must be given as the data that their JSON stands for.
    """

    body: Any
    names: tuple[str, ...]
    place: Place
    label: str | None = None
    config: Part | None = None
    env: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    is_broken: bool = False
    own: Asked | None = None
    turns: Turns | None = None
    loaded: frozenset[str] = frozenset()


@dataclass
class Prompts:
    """Converts prompts. `filters`: filters of the user's own, which are programs."""

    files: Files
    losses: Losses
    filters: frozenset[str] = frozenset()

    def convert(self, part: Part) -> list[Prompt]:
        """The prompts of a `prompts:` value; those that cannot be carried are told and left out."""
        if isinstance(part.value, list):
            return [prompt for entry in part.value for prompt in self._entry(entry)]
        if isinstance(part.value, dict):  # an older form: {file: label}
            pairs = part.value.items()
            return [p for name, label in pairs for p in self._written(name, label.key or label.place, label.text())]
        return list(self._entry(part))

    def _entry(self, part: Part) -> Iterator[Prompt]:
        if isinstance(part.value, bool | int | float):
            self.losses.changes(part.at, "`prompts`", f"{quoted(part.text())} is no text; left out.")
            return
        if not isinstance(part.value, dict):
            yield from self._written(part.text(), part.at, None)
            return
        fields = Fields(part, self.losses, "prompt")
        raw, name, label, config = fields.take("raw"), fields.text("id"), fields.text("label"), fields.take("config")
        has_program = "function" in fields
        fields.close(_KNOWN, ("raw", "id", "label", "config"))
        if raw is not None and isinstance(raw.value, dict | list):
            text: str | None = json.dumps(raw.plain(), ensure_ascii=False)
        else:
            text = raw.text() if raw is not None else name
        if text is None:
            if not has_program:
                self.losses.changes(part.at, "`prompt`", "has neither `raw` nor `id`; left out.")
            return
        yield from self._written(text, part.at, label, config=config, name=name)

    def _written(
        self, text: str, place: Place, label: str | None, *, config: Part | None = None, name: str | None = None
    ) -> Iterator[Prompt]:
        if text.startswith(_REMOTE) and "\n" not in text:
            self.losses.changes(place, quoted(text), "is kept by another service; left out.", "Copy its text here.")
            return
        for raw, written, own in self._raw(text, place):
            names = tuple(filter(None, (name, label, own, written, raw)))
            shown = label or own or (PurePosixPath(written).stem if written else None)
            prompt = self._prompt(raw, names, place, shown, config)
            if prompt is not None:
                yield prompt

    def _raw(self, text: str, place: Place) -> Iterator[tuple[str, str, str | None]]:
        """(template, file, label) of each prompt that a text, or the file that it names, holds."""
        name = text.removeprefix(FILE)
        ending = PurePosixPath(name.partition(":")[0]).suffix.lower()
        is_file = "\n" not in text and (
            text.startswith(FILE) or ending in (*_TEXT_ENDINGS, *_PROGRAM_ENDINGS) or "*" in text
        )
        if text.startswith("exec:") or (is_file and ending in _PROGRAM_ENDINGS):
            self.losses.changes(place, quoted(text), "is a program, which a spec never runs; left out.")
            return
        if not is_file:
            yield text, "", None
            return
        try:
            matches = self.files.matches(name)
            if not matches and not text.startswith(FILE):
                yield text, "", None
            elif not matches:
                self.losses.changes(place, quoted(text), "no file has this name; left out.")
            for match in matches:
                yield from self._in_file(match, place)
        except NotReadable as problem:
            if text.startswith(FILE) or " " not in text:
                self.losses.changes(place, quoted(text), f"{problem} Left out.")
            else:
                yield text, "", None
        except SpecError as error:
            first = error.problems[0]
            at = Place(first.file, first.line, first.column)
            self.losses.changes(at, quoted(text), f"{first.message} Left out.")

    def _in_file(self, name: str, place: Place) -> Iterator[tuple[str, str, str | None]]:
        ending = PurePosixPath(name).suffix.lower()
        if ending in _PROGRAM_ENDINGS:
            self.losses.changes(place, quoted(name), "is a program, which a spec never runs; left out.")
        elif ending == ".csv":
            for number, (_, row) in enumerate(self.files.rows(name), 1):
                yield row.get("prompt", ""), name, row.get("label") or f"{PurePosixPath(name).stem}-{number}"
        elif ending in (".yaml", ".yml"):
            tree = self.files.tree(name)
            yield tree.value if tree.is_text else json.dumps(tree.plain(), ensure_ascii=False), name, None
        elif ending == ".jsonl":
            for number, line in enumerate(self.files.text(name).splitlines(), 1):
                if line.strip():
                    yield line, name, f"{PurePosixPath(name).stem}-{number}"
        elif ending == ".txt":
            yield from self._split(name)
        else:
            yield self.files.text(name), name, None

    def _split(self, name: str) -> Iterator[tuple[str, str, str | None]]:
        parts = re.split(r"(?m)^[ \t]*---[ \t]*\r?$", self.files.text(name))
        texts = [text.strip() for text in parts if text.strip()]
        for number, text in enumerate(texts, 1):
            yield text, name, f"{PurePosixPath(name).stem}-{number}" if len(texts) > 1 else None

    def _prompt(
        self, raw: str, names: tuple[str, ...], place: Place, label: str | None, config: Part | None
    ) -> Prompt | None:
        if not raw.strip():
            self.losses.changes(place, "`prompt`", "is empty; left out.")
            return None
        env: list[str] = []
        texts: list[str] = []
        broken: list[str] = []
        loaded: list[str] = []

        def translated(text: str) -> str:
            found = translate_template(text, self.filters, loads=True)
            loaded.extend(found.loaded)
            for unknown in found.unknown:
                self.losses.changes(place, f"prompt {quoted(label or raw)}", f"{unknown}.", "Rewrite the template.")
            broken.extend(found.unknown)
            env.extend(name for name in found.env if name not in env)
            texts.append(found.text)
            return found.text

        looped = looped_chat(raw.strip())
        chat = self._chat(raw, place) if looped is None else [*looped.before, *looped.after]
        turns = Turns(translated(looped.loop)) if looped is not None else None
        body: Any = translated(raw) if chat is None else [
            {"role": role, "content": translated(content)} for role, content in chat
        ]  # fmt: skip
        if chat == []:
            return None
        for name in (name for name in set(loaded) if not is_always_loaded(name, raw)):
            why = f"uses `{name}` both as it is and with `load`, which needs two variables here."
            self.losses.changes(place, f"prompt {quoted(label or raw)}", why, "Rewrite the template.")
        return Prompt(
            _shortest(body), names, place, label, config, tuple(env), tuple(texts), bool(broken),
            turns=turns, loaded=frozenset(loaded),
        )  # fmt: skip

    def _chat(self, raw: str, place: Place) -> list[tuple[str, str]] | None:
        """The messages of a chat that is written as JSON or YAML; None where the text is a text; [] where told."""
        text = raw.strip()
        if not text.startswith(("[", "{", "- role:")) or text.startswith(("{{", "{%", "{#")):
            return None
        try:
            if text.startswith("- role:"):
                value = self.files.parse(raw, place.file)
            else:
                value = part_of_plain(json.loads(BARE_DUMP.sub(r'\1"{{ \2 }}"', text), strict=False), place)
        except (ValueError, RecursionError, SpecError):
            return self._no_chat(place, "it looks like a chat and cannot be read as one") if "role" in text else None
        entries = value.value if isinstance(value.value, list) else [value]
        messages: list[tuple[str, str]] = []
        for entry in entries:
            role, content = entry.get("role"), entry.get("content")
            if role is None or content is None:
                return None if not messages else self._no_chat(place, "a message lacks its role or content")
            if role.text() not in _ROLES:
                return self._no_chat(place, f"the role {quoted(role.text())} is not available")
            words = _content(content)
            if words is None:
                return self._no_chat(place, "a message has parts that are no text")
            messages.append((role.text(), words))
        return messages or None

    def _no_chat(self, place: Place, why: str) -> list[tuple[str, str]]:
        self.losses.changes(place, "`prompt`", f"{why}; the prompt is left out.")
        return []


def _content(part: Part) -> str | None:
    if isinstance(part.value, list):
        text = part.value[0].get("text") if len(part.value) == 1 else None
        return text.text() if text is not None else None
    return None if isinstance(part.value, dict) else part.text()


def _shortest(body: Any) -> Any:
    """The shortest of the forms that a prompt may have in a spec."""
    if not isinstance(body, list):
        return body
    roles = [message["role"] for message in body]
    if roles == ["user"]:
        return body[0]["content"]
    if roles == ["system", "user"]:
        return {message["role"]: message["content"] for message in body}
    return body
