r"""What `--fault` takes, as text.

FAULT = KIND [":" SHARE] ["@" WHEN] { "," NAME "=" VALUE }
KIND  = a status from 400 to 599, or a name of `KINDS`
SHARE = the part of the requests that it strikes, more than 0 and at most 1; all of them where it is left out
WHEN  = N | N-M | N+       the Nth request for an answer, the Nth to the Mth, all from the Nth on
      | every=N            every Nth
      | t=A-B | t=A+       from A to B seconds after the start, or from A on
NAME  = retry-after (seconds, or `none`; of statuses) | interval (seconds; of `drip` and `comments`)
"""

from __future__ import annotations

import re
from typing import Any, Final

from throughster.emulator.decimals import NUMBER, parse_number
from throughster.emulator.faults import Fault, check_kind
from throughster.names import did_you_mean

__all__ = ["parse_fault"]

_SETTINGS: Final = ("retry-after", "interval")
_SCHEDULES: Final = ("every", "t")
_TIMES: Final = re.compile(rf"({NUMBER})(?:-({NUMBER})|\+)", re.ASCII)
_REQUESTS: Final = re.compile(r"(\d{1,12})(?:(-)(\d{1,12})|(\+))?", re.ASCII)
_EXAMPLES: Final = "`503@1-20`, `503@10+`, `503@every=3` or `503@t=5-10`"


def parse_fault(text: str) -> Fault:
    """Return the fault that a text such as `429:0.05,retry-after=2` or `reset@1-20` describes. Raises ValueError."""
    head, *settings = text.split(",")
    what, has_when, when = head.partition("@")
    name, has_share, share = what.partition(":")
    kind: int | str = int(name) if re.fullmatch(r"\d{1,9}", name, re.ASCII) else name
    fields: dict[str, Any] = {}
    try:
        check_kind(kind)
        if has_share:
            fields["share"] = parse_number(share, "the share")
        if has_when:
            fields |= _schedule(when)
        for setting in settings:
            fields |= _setting(setting)
        return Fault(kind, **fields)
    except ValueError as error:
        raise ValueError(f"in the fault `{text}`: {error}") from None


def _schedule(when: str) -> dict[str, Any]:
    name, is_named, value = when.partition("=")
    if is_named and name not in _SCHEDULES:
        hint = did_you_mean(name, _SCHEDULES) or f"Write {_EXAMPLES}."
        raise ValueError(f"`{name}` is no kind of schedule. {hint}")
    if is_named and name == "every":
        if not re.fullmatch(r"\d{1,12}", value, re.ASCII):
            raise ValueError(f"`every={value}` has no whole number. Write `every=3`")
        return {"every": int(value)}
    if is_named:
        found = _TIMES.fullmatch(value)
        if found is None:
            raise ValueError(f"`t={value}` is no time. Write `t=5-10` or `t=5+`, in seconds")
        return {"from_s": float(found[1]), "until_s": None if found[2] is None else float(found[2])}
    requests = _REQUESTS.fullmatch(when)
    if requests is None:
        raise ValueError(f"`@{when}` is no schedule. Write {_EXAMPLES}")
    first = int(requests[1])
    last = first if requests[2] is None else int(requests[3])
    return {"first": first, "last": None if requests[4] else last}


def _setting(setting: str) -> dict[str, Any]:
    name, is_named, value = setting.partition("=")
    if name not in _SETTINGS or not is_named:
        hint = did_you_mean(name, _SETTINGS) or "There are `retry-after=SECONDS` and `interval=SECONDS`."
        raise ValueError(f"`{setting}` is no setting. {hint}")
    if name == "retry-after":
        return {"retry_after": "none" if value == "none" else parse_number(value, "`retry-after`")}
    return {"interval_s": parse_number(value, "`interval`")}
