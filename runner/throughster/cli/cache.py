"""`throughster cache`: what the response cache holds, and its end."""

from __future__ import annotations

from pathlib import Path

import click

from throughster.cli.exits import OK
from throughster.exchanges import Cache
from throughster.screen import echo

__all__ = ["cache"]

_PATH = click.option(
    "--path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Another cache than your own."
)
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cache() -> None:
    """Look at the response cache, or clear it.

    \b
    Examples:
      throughster cache stats
      throughster cache clear
    """


@cache.command()
@_PATH
def stats(path: Path | None) -> int:
    """Print where the cache is and what it holds.

    \b
    Example:
      throughster cache stats
    """
    found = Cache(path).stats()
    echo(f"{found.path}: {found.entries:,} answers, {found.size_bytes / 1e6:,.1f} MB")
    if found.oldest_s is not None and found.newest_s is not None:
        echo(f"The oldest is {_age(found.oldest_s)} old, the newest {_age(found.newest_s)}.")
    return OK


@cache.command()
@_PATH
def clear(path: Path | None) -> int:
    """Remove every answer.

    \b
    Example:
      throughster cache clear
    """
    target = Cache(path)
    echo(f"{target.path}: {target.clear():,} answers removed")
    return OK


def _age(seconds: float) -> str:
    unit_s, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds / unit_s:.0f} {unit}"
