"""`throughster emulate`: the emulator as a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import click

from throughster.emulator import DialectName, Options, load_answers, serve

__all__ = ["emulate"]


@click.command()
@click.option("--dialect", type=click.Choice(get_args(DialectName)), default="openai", help="Whose API to speak.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 takes a free one.")
@click.option("--answers", type=click.Path(path_type=Path, dir_okay=False), help="Answers to give, as YAML or JSON.")
@click.option("--model", help="Know only this model; any by default.")
@click.option("--api-key", help="Accept only this key; any by default.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, metavar="S", help="Seconds before the first byte.")
@click.option(
    "--tokens-per-second", type=click.FloatRange(0, min_open=True), help="Speed of an answer; at once by default."
)
def emulate(
    dialect: DialectName,
    host: str,
    port: int,
    answers: Path | None,
    model: str | None,
    api_key: str | None,
    latency: float,
    tokens_per_second: float | None,
) -> None:
    """Serve canned answers in a provider's dialect, on the loopback interface, until interrupted.

    \b
    Example:
      throughster emulate --dialect vllm --port 8000
      throughster-run specs/translate.yaml --provider vllm --model any --api-base http://127.0.0.1:8000/v1
    """
    options = Options(
        dialect=dialect,
        host=host,
        port=port,
        answers=load_answers(answers) if answers else None,
        model=model,
        api_key=api_key,
        latency_s=latency,
        tokens_per_second=tokens_per_second,
    )
    try:
        serve(
            options,
            on_ready=lambda url: click.echo(f"The {dialect} emulator listens on {url}; its answers are canned."),
        )
    except OSError as error:
        raise click.ClickException(f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0)}.") from None
