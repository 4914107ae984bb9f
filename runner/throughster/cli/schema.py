"""`throughster schema`: the JSON Schema of specs, and of results."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from throughster.screen import echo

__all__ = ["schema"]


@click.command()
@click.argument("what", type=click.Choice(["spec", "result"]), default="spec")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it here.")
def schema(what: str, output: Path | None) -> None:
    """Print the JSON Schema that editors use for specs, or that describes a line of results.jsonl.

    \b
    Example:
      throughster schema spec --output schemas/spec.schema.json
    """
    if what == "spec":
        from throughster.spec import spec_json_schema as made
    else:
        from throughster.running.result import result_json_schema as made
    text = orjson.dumps(made(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if output is None:
        echo(text.decode(), nl=False)
    else:
        output.write_bytes(text)
