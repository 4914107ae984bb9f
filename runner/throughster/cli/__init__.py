"""The two commands. `--version` answers before anything heavy is imported."""

from __future__ import annotations

import sys

__all__ = ["main", "run_main"]


def main() -> None:
    """`throughster COMMAND ...`."""
    _answer_version("throughster")
    try:
        from throughster.cli.app import group, invoke

        invoke(group, "throughster")
    except KeyboardInterrupt:  # before the run has handlers of its own
        sys.exit(130)


def run_main() -> None:
    """`throughster-run SPEC...`, the same as `throughster run`."""
    _answer_version("throughster-run")
    try:
        from throughster.cli.app import invoke
        from throughster.cli.run import run

        invoke(run, "throughster-run")
    except KeyboardInterrupt:
        sys.exit(130)


def _answer_version(name: str) -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):
        from throughster._version import __version__

        sys.stdout.write(f"{name} {__version__}\n")
        sys.exit(0)
