"""`throughster emulate`: the emulator as a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import click

from throughster.emulator import DialectName, Options, load_answers, serve

__all__ = ["emulate"]

_AT_LEAST_ONE = click.IntRange(1)


@click.command()
@click.option("--dialect", type=click.Choice(get_args(DialectName)), default="openai", help="Whose API to speak.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 takes a free one.")
@click.option("--answers", type=click.Path(path_type=Path, dir_okay=False), help="Answers to give, as YAML or JSON.")
@click.option("--model", help="Know only this model; any by default.")
@click.option("--api-key", help="Accept only this key; any by default.")
@click.option(
    "--latency", "latency_s", type=click.FloatRange(0), default=0.0, metavar="S", help="Seconds before the first byte."
)
@click.option(
    "--tokens-per-second", type=click.FloatRange(0, min_open=True), help="Speed of an answer; at once by default."
)
@click.option("--requests-per-minute", type=_AT_LEAST_ONE, help="Requests that each key may send to a model.")
@click.option("--tokens-per-minute", type=_AT_LEAST_ONE, help="Tokens that each key may use of a model.")
@click.option(
    "--rate-window-s",
    type=click.FloatRange(0, 60, min_open=True),
    default=60.0,
    metavar="S",
    help="At most what S seconds allow goes at once; 60 by default.",
)
@click.option("--max-concurrent", type=_AT_LEAST_ONE, help="Answers under way at once; one more is refused.")
@click.option(
    "--overload-status",
    type=click.Choice(["429", "503"]),
    default="429",
    help="How one answer too many is refused.",
)
def emulate(answers: Path | None, overload_status: str, **given: Any) -> None:
    """Serve canned answers in a provider's dialect, on the loopback interface, until interrupted.

    \b
    Example:
      throughster emulate --dialect vllm --port 8000
      throughster-run specs/translate.yaml --provider vllm --model any --api-base http://127.0.0.1:8000/v1
    A server with limits:
      throughster emulate --port 8000 --requests-per-minute 600 --tokens-per-minute 100000 --max-concurrent 50
    """
    options = Options(
        answers=load_answers(answers) if answers else None,
        overload_status=429 if overload_status == "429" else 503,
        **given,
    )
    try:
        serve(
            options,
            on_ready=lambda url: click.echo(
                f"The {options.dialect} emulator listens on {url}; its answers are canned."
            ),
        )
    except OSError as error:
        place, reason = f"{options.host}:{options.port}", os.strerror(error.errno or 0)
        raise click.ClickException(f"{place} cannot be listened on: {reason}.") from None
