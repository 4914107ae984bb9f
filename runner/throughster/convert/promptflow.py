"""A run of prompt flow over a `.prompty` file: its data and the mapping of its columns."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from throughster.convert.drafts import Draft, rows_draft, spec_draft
from throughster.convert.fields import Fields, Known
from throughster.convert.files import Files, NotReadable
from throughster.convert.prompty import read_prompty
from throughster.convert.reusing import named_from
from throughster.errors import Problem, SpecError
from throughster.yamltree import keep_text

if TYPE_CHECKING:
    from pathlib import Path

    from throughster.convert.losses import Losses
    from throughster.convert.parts import Part

__all__ = ["convert_promptflow", "is_promptflow"]

_COLUMN = re.compile(r"\$\{data\.([^}]+)\}")
_KNOWN: Known = {
    "$schema": ("harmless", "is that of the source; left out.", ""),
    "display_name": ("harmless", "has no counterpart; left out.", ""),
    "tags": ("harmless", "of a run have no counterpart; left out.", ""),
    "environment_variables": ("harmless", "belong into the environment; left out.", "Set them there."),
    "connections": ("harmless", "are kept by another program; left out.", "Set key and address in the environment."),
    "variant": ("changes", "variants belong to flows, which are not converted; left out.", ""),
    "run": ("changes", "the results of another run cannot be read; left out.", ""),
    "resources": ("harmless", "are about a machine; left out.", ""),
    "identity": ("harmless", "are about a machine; left out.", ""),
    "init": ("changes", "belongs to programs; left out.", ""),
}


def is_promptflow(root: Part) -> bool:
    return isinstance(root.value, dict) and "flow" in root.value and "prompts" not in root.value


def convert_promptflow(
    root: Part, files: Files, losses: Losses, *, name: str, folder: Path, hosts: dict[str, None], secrets: list[str]
) -> list[Draft]:
    """Raises SpecError where the flow is no `.prompty` file."""
    fields = Fields(root, losses, "", "prompt flow")
    flow, data, mapping = fields.take("flow"), fields.take("data"), fields.take("column_mapping")
    description = fields.text("description")
    fields.take("name")
    fields.close(_KNOWN, ("flow", "data", "column_mapping", "name", "description"))
    place = flow.at if flow is not None else root.place
    written = flow.text() if flow is not None else ""
    if not written.endswith(".prompty"):
        hint = "A flow of nodes is a program. Convert the `.prompty` files that it uses."
        raise SpecError(
            [Problem(place.file, place.line, place.column, "Only runs of a `.prompty` file are converted.", hint)]
        )
    try:
        text = files.text(written)
    except NotReadable as problem:
        raise SpecError([Problem(place.file, place.line, place.column, str(problem))]) from None
    prompty = read_prompty(text, files.shown(files.path(written), written), files, losses, hosts, secrets)
    keys = {**prompty.keys, "version": 1, "name": name}
    keys["description"] = description or keys.get("description")
    drafts, columns = _data(keys, data, mapping, files, losses, name, folder)
    if not columns and prompty.sample:
        keys.setdefault("data", [prompty.sample])
    given = {*columns, *keys.get("vars", {}), *(prompty.sample if not columns else ())}
    return [
        spec_draft(name, keys, f"Converted from {root.place.file.rpartition('/')[2]}.", prompty.needs(given)),
        *drafts,
    ]


def _data(
    keys: dict[str, Any], data: Part | None, mapping: Part | None, files: Files, losses: Losses, name: str, folder: Path
) -> tuple[list[Draft], set[str]]:
    """Sets `data` and `vars`; the files to write, and the columns that the rows have."""
    sources: dict[str, str] = {}
    if mapping is not None and not isinstance(mapping.value, dict):
        losses.changes(mapping.at, "`column_mapping`", "is no mapping; left out.")
    for target, part in mapping.value.items() if mapping is not None and isinstance(mapping.value, dict) else ():
        found = _COLUMN.fullmatch(part.text())
        if found:
            sources[target] = found[1]
        elif part.text().startswith("${"):
            losses.changes(part.at, f"`column_mapping.{target}`", "only columns of the data can be named; left out.")
        else:
            keys.setdefault("vars", {})[target] = keep_text(part.plain())
    if data is None:
        return [], set()
    written = data.text()
    try:
        rows = _rows(written, files)
    except NotReadable as problem:
        losses.changes(data.at, "`data`", f"{problem} Left out.")
        return [], set()
    columns = set(rows[0]) if rows else set()
    if all(target == source for target, source in sources.items()):
        keys["data"], copy = named_from(folder, files.path(written), files)
        return [copy] if copy is not None else [], columns
    made = [{**row, **{target: row[source] for target, source in sources.items() if source in row}} for row in rows]
    used = {*sources, *(columns & set(keys.get("inputs", {})))}
    draft = rows_draft(
        f"{name}-data",
        [{k: v for k, v in row.items() if k in used} for row in made],
        "Columns are named as the prompt has them.",
    )
    keys["data"] = draft.name
    return [draft], used


def _rows(name: str, files: Files) -> list[dict[str, Any]]:
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".csv":
        return [dict(row) for _, row in files.rows(name)]
    if ending in (".jsonl", ".ndjson"):
        return [part.plain() for part in files.json_lines(name) if isinstance(part.value, dict)]
    raise NotReadable(f"`{name}` is no CSV or JSON Lines file.")
