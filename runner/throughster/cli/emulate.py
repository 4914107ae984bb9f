"""`throughster emulate`: the emulator as a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from throughster.emulator import DialectName, Options, load_answers, parse_fault, parse_latency, serve
from throughster.screen import echo

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["emulate"]

_AT_LEAST_ONE = click.IntRange(1)
_ABOVE_ZERO = click.FloatRange(0, min_open=True)


def _parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type of option: what `parse` makes of the text; its ValueError is the user's mistake."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(_sentence(error)) from None

    return convert


def _sentence(error: ValueError) -> str:
    text = str(error)
    return text if text.endswith((".", "?")) else f"{text}."


@click.command()
@click.option("--dialect", type=click.Choice(get_args(DialectName)), default="openai", help="Whose API to speak.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 takes a free one.")
@click.option("--answers", type=click.Path(path_type=Path, dir_okay=False), help="Answers to give, as YAML or JSON.")
@click.option("--model", help="Know only this model; any by default.")
@click.option("--api-key", help="Accept only this key; any by default.")
@click.option(
    "--latency",
    "latency_s",
    type=_parsed(parse_latency),
    default="0",
    metavar="S",
    help="Seconds before the first byte, or `lognormal:MEDIAN,SIGMA` or `uniform:LOW,HIGH`.",
)
@click.option("--tokens-per-second", type=_ABOVE_ZERO, metavar="N", help="Speed of an answer; at once by default.")
@click.option(
    "--capacity", type=_ABOVE_ZERO, metavar="N", help="Tokens per second that all answers under way share evenly."
)
@click.option(
    "--fault",
    "faults",
    type=_parsed(parse_fault),
    multiple=True,
    metavar="KIND[:SHARE][@WHEN]",
    help="What goes wrong, to which share of the requests, and when. Repeatable.",
)
@click.option(
    "--fault-seed",
    "seed",
    type=int,
    default=0,
    metavar="N",
    help="Decides which requests a share strikes, and which latencies are drawn; 0 by default.",
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
    One that takes its time, and is busy with 40 answers at once:
      throughster emulate --port 8000 --latency lognormal:0.3,0.5 --tokens-per-second 50 --capacity 2000
    One that refuses one request in twenty, and breaks one stream in ten off:
      throughster emulate --port 8000 --fault 429:0.05,retry-after=2 --fault stream-error:0.1
    One that is out of order for the first 20 requests, and resets every connection for 5 seconds, half a minute later:
      throughster emulate --port 8000 --fault 503@1-20 --fault reset@t=30-35

    \b
    KIND is a status from 400 to 599, or
      in place of a reply: reset, disconnect, stall, garbage
      in an answer:        cut, drip, truncated-json, wrong-length, gzip-bomb
      in streams only:     stream-error, comments
    SHARE is a part of 1. WHEN is N, N-M, N+ or every=N (requests, counted from 1), or t=A-B or t=A+ (seconds).
    Settings follow after a comma: retry-after=S of a status, interval=S of drip and comments.
    """
    given["answers"] = load_answers(answers) if answers else None
    given["overload_status"] = int(overload_status)
    try:
        options = Options(**given)
    except ValueError as error:
        raise click.UsageError(_sentence(error)) from None
    try:
        serve(
            options,
            on_ready=lambda url: echo(f"The {options.dialect} emulator listens on {url}; its answers are canned."),
        )
    except OSError as error:
        place, reason = f"{options.host}:{options.port}", os.strerror(error.errno or 0)
        raise click.ClickException(f"{place} cannot be listened on: {reason}.") from None
