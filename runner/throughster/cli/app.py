"""The command group, its table of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import NoReturn

import click

from throughster._version import __version__
from throughster.cli.exits import BUG, INCOMPLETE, INTERRUPTED, WRONG
from throughster.errors import (
    CassetteError,
    HostNotAllowedError,
    RequestError,
    SettingsError,
    SpecError,
    ThroughsterError,
)
from throughster.screen import echo

__all__ = ["group", "invoke"]

# name -> module with a command of that name; imported when it is called
COMMANDS = {
    "bench": "throughster.cli.bench",
    "cache": "throughster.cli.cache",
    "check": "throughster.cli.check",
    "convert": "throughster.cli.convert",
    "diff": "throughster.cli.diff",
    "emulate": "throughster.cli.emulate",
    "render": "throughster.cli.render",
    "run": "throughster.cli.run",
    "schema": "throughster.cli.schema",
    "view": "throughster.cli.view",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def group() -> None:
    """Run YAML prompts against Azure OpenAI, OpenAI, Mistral and vLLM, and check what comes back.

    \b
    Example:
      throughster run specs/translate.yaml
    """


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def invoke(command: click.Command, name: str) -> NoReturn:
    """Run the command and leave with the contract's exit code. A mistake of the user is never a traceback."""
    code: object = None
    try:
        code = command.main(prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            echo(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n", err=True)
        echo(f"Error: {error.format_message()}", err=True)
        code = WRONG
    except click.Abort:
        code = INTERRUPTED
    except (CassetteError, SpecError, SettingsError, HostNotAllowedError, RequestError) as error:
        echo(f"{name}: {error}", err=True)
        code = WRONG
    except ThroughsterError as error:  # results that could not be written, a provider that could not be used
        echo(f"{name}: {error}", err=True)
        code = INCOMPLETE
    except BrokenPipeError:  # the reader of our output has gone: nothing more to say
        _drop_output()
        code = code if isinstance(code, int) else 0
    except OSError as error:  # what the commands read and write has errors of its own
        _drop_output()
        echo(f"{name}: the output cannot be written: {error.strerror or error}.", err=True)
        code = INCOMPLETE
    except Exception:  # noqa: BLE001 - the last resort: say that it is ours, and how to report it
        echo(traceback.format_exc(), err=True)
        echo(f"{name} {__version__}: this is a bug in Throughster; please report it with the lines above.", err=True)
        code = BUG
    sys.exit(code if isinstance(code, int) else 0)
