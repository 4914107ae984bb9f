"""A `.prompty` file, of version 1 or the alpha of version 2, as a spec."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughster.convert.drafts import Draft, spec_draft
from throughster.convert.fields import Fields, Known
from throughster.convert.files import Files, NotReadable
from throughster.convert.graders import short
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.parts import Part, part_of_plain
from throughster.convert.prompty_model import read_model, read_tools_v2
from throughster.convert.properties import as_inputs, as_object_schema
from throughster.convert.templates import translate_template
from throughster.errors import Problem, SpecError
from throughster.prompts.template import compile_template
from throughster.prompts.unit import TemplateProblem
from throughster.yamltree import keep_text

if TYPE_CHECKING:
    from throughster.convert.requests import RequestParts

__all__ = ["Prompty", "is_prompty", "read_prompty"]

_FRONT = re.compile(r"\A(?:\s*\n)?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.DOTALL | re.MULTILINE)
_ROLE = re.compile(
    r"(?im)^[ \t]*#?[ \t]*(system|user|assistant|developer|function|tool)(\[[^\]\n]*\])?[ \t]*:[ \t]*\r?$"
)
_DYNAMIC_ROLE = re.compile(r"(?m)^[ \t]*\{\{[^}\n]*\}\}[ \t]*:[ \t]*$")
_IMAGE = re.compile(r"!\[[^\]\n]*\]\([^)\n]+\)")
_MUSTACHE = re.compile(r"\{\{[#^/>&!{]|\{\{\{")
_KNOWN: Known = {
    "authors": ("harmless", "has no counterpart; left out.", ""),
    "version": ("harmless", "has no counterpart; left out.", ""),
    "metadata": ("harmless", "has no counterpart, but for its `tags`; left out.", ""),
    "displayName": ("harmless", "has no counterpart; left out.", ""),
    "kind": ("harmless", "is always a prompt; left out.", ""),
    "base": ("changes", "what another file holds is not put in here; left out.", "Copy what it adds into the spec."),
    "environment_variables": ("harmless", "belong into the environment; left out.", ""),
    "$schema": ("harmless", "is that of the source; left out.", ""),
    "guardrails": ("changes", "are not available; left out.", "Say what you expect as checks of tests."),
    "policy": ("changes", "is not available; left out.", ""),
}
_FIELDS = ("name", "description", "tags", "model", "inputs", "outputs", "sample", "template", "tools", *_KNOWN)


@dataclass
class Prompty:
    """What a file says, as keys of a spec; `sample`: a row of values; `used`: variables of its templates."""

    keys: dict[str, Any]
    sample: dict[str, Any]
    used: tuple[str, ...]

    def needs(self, given: set[str]) -> dict[str, str]:
        """Variables that nothing gives a value, with their types."""
        inputs = self.keys.get("inputs", {})
        known = {name for name, declared in inputs.items() if "default" in declared} | given
        return {name: inputs.get(name, {}).get("type", "string") for name in self.used if name not in known}

    def draft(self, name: str, head: str) -> Draft:
        keys = dict(self.keys)
        if self.sample:
            keys["data"] = [self.sample]
        return spec_draft(name, {**keys, "version": 1, "name": name}, head, self.needs(set(self.sample)))


def is_prompty(text: str) -> bool:
    """Whether a text without a name is a `.prompty` file: front matter, then roles."""
    found = _FRONT.match(text)
    return found is not None and _ROLE.search(found[2]) is not None


def read_prompty(
    text: str, shown: str, files: Files, losses: Losses, hosts: dict[str, None], secrets: list[str]
) -> Prompty:
    """Raises SpecError where there is no front matter that can be read, or nothing to ask."""
    found = _FRONT.match(text)
    if found is None and text.lstrip().startswith("---"):
        raise SpecError([Problem(shown, 1, 1, "The front matter is not closed.", "End it with a line `---`.")])
    front, body, first = (found[1], found[2], text.count("\n", 0, found.start(2)) + 1) if found else ("", text, 1)
    lines_before = text.count("\n", 0, found.start(1)) if found else 0
    root = files.parse("\n" * lines_before + front, shown) if front.strip() else part_of_plain({}, Place(shown, 1, 1))
    if not isinstance(root.value, dict):
        raise SpecError([Problem(shown, 1, 1, "The front matter is no mapping of keys to values.")])
    if not front.strip():
        why = "there is none, or nothing in it: the provider is a guess."
        losses.changes(root.place, "front matter", why, "Write the `provider` that you mean into the spec.")
    fields = Fields(root, losses, "", "prompty")
    keys: dict[str, Any] = {"description": fields.text("description"), "tags": _tags(fields, losses)}
    model = fields.take("model")
    asked, request = read_model(model, root.place, files, losses, hosts, secrets, _is_second(root))
    keys["provider"] = short(asked)
    _requested(keys, request, fields, losses)
    body = _template(fields.take("template"), body, losses)
    keys["prompt"], texts = _messages(body, Place(shown, first, 1), losses)
    keys["inputs"], sample = as_inputs(fields.take("inputs"), losses)
    given = fields.take("sample")
    sample |= _sample(given, files, losses)
    fields.take("name")
    fields.close(_KNOWN, _FIELDS)
    used = _used(texts, Place(shown, first, 1), losses)
    kept = {name: value for name, value in keys["inputs"].items() if name in used}
    for name in keys["inputs"].keys() - kept.keys():
        losses.harmless(root.place, f"`inputs.{name}`", "no template uses it; left out.")
    keys["inputs"] = kept
    found_sample = {name: value for name, value in sample.items() if name in used}
    prompty = Prompty(keys, found_sample, used)
    if given is not None and sample:
        for name in prompty.needs(set(found_sample)):
            why = f"has no `{name}`, which the text uses; the spec cannot run without it."
            losses.changes(given.at, "`sample`", why, f"Correct a name, or run with --var {name}=...")
    return prompty


def _is_second(root: Part) -> bool:
    """Whether it is of version 2: a list of inputs, or a model with an identifier or a connection."""
    model, inputs = root.get("model"), root.get("inputs")
    names = set(model.value) if model is not None and isinstance(model.value, dict) else set()
    return bool(
        names & {"id", "apiType", "connection", "options", "provider"}
        or (model is not None and model.is_text)
        or (inputs is not None and isinstance(inputs.value, list))
    )


def _tags(fields: Fields, losses: Losses) -> list[str]:
    part = fields.take("tags") or fields.part.get("metadata", "tags")
    if part is None:
        return []
    if not isinstance(part.value, list):
        losses.harmless(part.at, "`tags`", "is no list; left out.")
        return []
    return [one.text() for one in part.value if one.text()]


def _requested(keys: dict[str, Any], request: RequestParts, fields: Fields, losses: Losses) -> None:
    schema, outputs = request.schema, fields.take("outputs")
    if outputs is not None:
        made = as_object_schema(outputs, losses, "`outputs`") if _is_second(fields.part) else None
        if made is None:
            losses.harmless(outputs.at, "`outputs`", "describes answers in words; left out.", "Set `output.schema`.")
        schema = schema or made
    if schema is not None:
        keys["output"] = {"schema": schema, "strategy": "json_schema"}
    tools = fields.take("tools")
    keys["tools"] = request.tools or (read_tools_v2(tools, losses) if tools is not None else [])
    if request.tool_choice is not None and keys["tools"]:
        keys["tool_choice"] = request.tool_choice
    if request.stream:
        keys["stream"] = True


def _template(part: Part | None, body: str, losses: Losses) -> str:
    """The body as a Jinja template."""
    kinds = {"jinja2"}
    if part is not None:
        for path in ((), ("format",), ("format", "kind"), ("type",)):
            found = part.get(*path)
            if found is not None and found.is_text:
                kinds = {found.value.lower()}
    if "mustache" in kinds and part is not None and _MUSTACHE.search(body):
        why = "sections of Mustache are not in Jinja; the text stands as it was."
        losses.changes(part.at, "`template`", why, "Write them as {% for %} and {% if %}.")
    elif "nunjucks" in kinds and part is not None:
        translated = translate_template(body)
        for unknown in translated.unknown:
            losses.changes(part.at, "`template`", f"{unknown}.", "Rewrite the template.")
        return translated.text
    elif not kinds <= {"jinja2", "mustache", "prompty"} and part is not None:
        losses.changes(
            part.at, "`template`", f"{quoted(next(iter(kinds)))} is not available; the text stands as it was."
        )
    return body


def _messages(body: str, place: Place, losses: Losses) -> tuple[Any, list[str]]:
    """The prompt, and its templates. A text before the first role is the system's."""
    pieces = _pieces(body)
    if not pieces:
        raise SpecError([Problem(place.file, place.line, 1, "There is no text to send.")])
    if any(role in ("function", "tool") for role, _, _ in pieces):
        losses.changes(place, "`function:`", "results of functions cannot stand in a prompt; left out.")
        pieces = [piece for piece in pieces if piece[0] not in ("function", "tool")]
    if _DYNAMIC_ROLE.search(body):
        why = "earlier turns that come from a variable are not told apart; they are part of the text before."
        losses.changes(place, "roles in a loop", why, "Put them into `messages` of a test.")
    for role, text, line in pieces:
        if role == "user" and _IMAGE.search(text):
            losses.changes(Place(place.file, line, 1), "image", "is sent as text; images are not available in a spec.")
    if len(pieces) > 1 and any(_is_open(text) for _, text, _ in pieces):
        losses.changes(place, "roles", "a block of the template spans several; all of it is one message of the user.")
        return body.strip(), [body.strip()]
    if re.search(r"\{%-?\s*(?:if|for|set)\b", body):
        losses.once(
            place, "harmless", "white space", "around tags is kept here, where prompty takes a line's end away."
        )
    roles, texts = [role for role, _, _ in pieces], [text for _, text, _ in pieces]
    if roles == ["user"]:
        return texts[0], texts
    if roles == ["system", "user"]:
        return dict(zip(roles, texts, strict=True)), texts
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)], texts


def _pieces(body: str) -> list[tuple[str, str, int]]:
    """(role, text, line in the body) of each message that has a text."""
    marks = list(_ROLE.finditer(body))
    starts = [(0, 0, "system"), *((found.end(), found.start(), found[1].lower()) for found in marks)]
    ends = [*(found.start() for found in marks), len(body)]
    pieces = []
    for (start, _, role), end in zip(starts, ends, strict=True):
        text = body[start:end].strip()
        if text:
            pieces.append((role, text, body.count("\n", 0, start) + 1))
    return pieces


def _is_open(text: str) -> bool:
    try:
        compile_template(text, name="message")
    except TemplateProblem as problem:
        return "end" in str(problem) or "nknown tag" in str(problem) or "closed" in str(problem)
    return False


def _sample(part: Part | None, files: Files, losses: Losses) -> dict[str, Any]:
    if part is None:
        return {}
    if part.is_text:
        name = re.sub(r"^\$\{file:(.*)\}$", r"\1", part.value)
        try:
            part = files.tree(name)
        except NotReadable as problem:
            losses.changes(part.at, "`sample`", f"{problem} Left out.")
            return {}
    if not isinstance(part.value, dict):
        losses.changes(part.at, "`sample`", "is no mapping of variables; left out.")
        return {}
    return {name: keep_text(child.plain()) for name, child in part.value.items()}


def _used(texts: list[str], place: Place, losses: Losses) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for text in texts:
        try:
            names.update({use.name: None for use in compile_template(text, name="prompt").references})
        except TemplateProblem as problem:
            losses.changes(place, "template", f"{problem}", "Rewrite it in the spec.")
    return tuple(names)
