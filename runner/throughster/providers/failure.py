"""Error replies of any provider, as one error of our tree.

The bodies come in nine shapes (nested, flat, a list of fields, a gateway's, HTML, nothing); status, `code` and `type`
decide, wording only where nothing else tells.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from throughster.errors import (
    AuthError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    NotFoundError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    StreamError,
    TransportError,
)
from throughster.providers.values import as_text, read_json
from throughster.redact import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Said",
    "classify",
    "no_answer",
    "no_event",
    "parse_duration_s",
    "parse_error",
    "read_body",
    "retry_hint_s",
    "speaks_of_an_error",
    "status_of",
]

_WORDS = ("message", "msg", "text", "error_message", "errorMessage", "error_msg", "errorMsg")
"""Where services put the words of an error."""
_SIGNS = {"error", "error_code", "errors", "detail", *_WORDS}

_CONTEXT = re.compile(
    r"maximum context length|context_length|exceed_context_size|too large for model|exceeds the model", re.IGNORECASE
)
_QUOTA = re.compile(
    r"insufficient_quota|billing|credit_balance_exhausted|_spend_limit_exceeded|_usage_limit_exceeded", re.IGNORECASE
)
_FILTER_CODES = {
    "ResponsibleAIPolicyViolation",
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "invalid_prompt",
}
_QUOTA_WORDS = re.compile(
    r"exceeded (?:your|the) (?:\w+ )?(?:quota|usage limit|spending limit)|check your plan and billing"
    r"|(?:insufficient|not enough|no|ran out of|out of|used all available) (?:\w+ )?(?:credits?|balance|funds|quota)\b"
    r"|(?:credit|account) balance is (?:too low|insufficient)"
    r"|quota (?:has been |was |is )?(?:exceeded|exhausted|used up)"
    r"|(?:monthly|spending|daily) (?:spending |usage )?limit (?:has been |was |is )?(?:exceeded|reached)"
    r"|(?:exceeded|reached|reaching) (?:your|the|its) (?:(?:monthly|spending|daily|included) ){1,2}"
    r"(?:limit|credits|quota)"
    r"|account (?:\S+ )?is (?:suspended|in arrears|overdue)|limited to \d+ \w+ calls ?(?:/|per) ?month|arrearage",
    re.IGNORECASE,
)
_OF_A_MINUTE = re.compile(r"per[ _-]?(?:minute|second)|/ ?min\b|\b[rt]p[ms]\b", re.IGNORECASE)
"""A quota of which this is said is whole again soon."""
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
_WAIT_TEXT = re.compile(
    r"(?:try again in|retry (?:in|after)|\"retryDelay\":\s*\")\s*"
    r"(\d[\d.]*\s*(?:ms|s(?:ec(?:ond)?s?)?|m|h)?(?:\d[\d.]*s)?)",
    re.IGNORECASE,
)
_RESET = re.compile(r"[\w-]*rate-?limit[\w-]*-reset", re.IGNORECASE)
_USED_UP = re.compile(r"\s*(?:0+(?:\.0*)?|-\d+(?:\.\d*)?)\s*", re.ASCII)
_SINCE_1970 = 1e9
"""A number from here on is no wait but a time: in seconds, or from a thousand times as much on in milliseconds."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|µs|ns|h|m|s|d)?", re.ASCII)
_UNIT_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Said(NamedTuple):
    """What an error body says, whatever its shape."""

    message: str
    type: str = ""
    code: str = ""
    param: str | None = None
    details: str = ""


def parse_error(
    status: int, headers: Mapping[str, str], body: bytes, *, title: str, request_id: str | None
) -> ProviderError:
    """The error that a reply with this status is; its text names the provider, the status and the server's words."""
    said = read_body(body)
    words = f"{said.message} {said.details}"
    error = classify(
        said,
        status,
        title=title,
        request_id=request_id,
        retry_after_s=retry_hint_s(headers, words) if status in (408, 409, 429) or status >= 500 else None,
        should_retry=headers.get("x-should-retry"),
    )
    if status == 429:
        error.reset_after_s = reset_hint_s(headers)
    return error


_STATUS_OF = {
    "rate_limit_exceeded": 429, "insufficient_quota": 429, "slow_down": 429, "context_length_exceeded": 400,
    "content_filter": 400, "invalid_prompt": 400, "model_not_found": 404, "invalid_api_key": 401,
}  # fmt: skip


def status_of(said: Said) -> int:
    """The HTTP status that an error inside a stream would have had."""
    if said.code.isdigit() and 400 <= int(said.code) < 600:
        return int(said.code)
    return _STATUS_OF.get(said.code, _STATUS_OF.get(said.type, 500))


def classify(
    said: Said,
    status: int,
    *,
    title: str,
    request_id: str | None = None,
    retry_after_s: float | None = None,
    should_retry: str | None = None,
) -> ProviderError:
    words = one_line(said.message, 500) or "no message"
    text = f"{title} replied {status}: {words}"
    error = _kind(said, status)(
        text,
        http_status=status,
        code=said.code or said.type or None,
        param=said.param,
        request_id=request_id,
        retry_after_s=retry_after_s,
    )
    if status in (501, 505):
        error.retryable = False  # the server lacks the ability; waiting gives it none
    if status == 424:
        error.most_resends = 1  # something that it needs failed: once more, in case that was a moment's trouble
    if should_retry in ("true", "false") and not isinstance(error, QuotaError):
        error.retryable = should_retry == "true"
    return error


def _kind(said: Said, status: int) -> type[ProviderError]:
    labels = f"{said.code} {said.type}"
    if said.code in _FILTER_CODES:
        return ContentFilterError
    if status == 429 and _TOO_LARGE.search(said.message):
        return BadRequestError  # this request alone can never fit the limit
    if status == 402 or (status == 429 and _is_quota(said, labels)):
        return QuotaError
    if status == 429:
        return RateLimitError
    if status in (401, 403):
        return AuthError
    if status == 404 or said.code == "model_not_found":
        return NotFoundError
    if status in (400, 413, 422) and (_CONTEXT.search(labels) or _CONTEXT.search(said.message) or said.code == "3051"):
        return ContextLengthError
    if status in (408, 409, 424) or status >= 500:
        return ServerError
    return BadRequestError


def _is_quota(said: Said, labels: str) -> bool:
    """Whether a 429 is about what the account may use, not about how fast; services differ only in their words."""
    if _QUOTA.search(labels):
        return True
    return bool(_QUOTA_WORDS.search(said.message)) and not _OF_A_MINUTE.search(f"{said.message} {said.details}")


def no_answer(body: bytes, kind: str) -> ProviderError:
    """The error of a reply under status 200 that is no `kind`: TransportError where it is no JSON, else ServerError."""
    said = read_body(body)
    words = one_line(said.message, 300) or "an empty body"
    try:
        read_json(body)
    except ValueError:
        return TransportError(f"The reply is no JSON, so no {kind}: {words}", http_status=200)
    return ServerError(f"The reply is no {kind}: {words}", http_status=200)


def no_event(data: bytes, partial: str) -> StreamError:
    """The error of a stream with an event that cannot be read; `partial`: the text that had arrived."""
    text = one_line(data.decode("utf-8", "replace"), 200)
    return StreamError(f"The stream holds an event that is no part of an answer: {text}", partial=partial)


def speaks_of_an_error(value: Mapping[str, Any]) -> bool:
    """Whether an object that is no part of an answer tells of an error, in whatever shape."""
    return any(value.get(name) for name in _SIGNS) or value.get("object") == "error"


def read_body(body: bytes) -> Said:
    """What an error body says. Never raises."""
    try:
        value = read_json(body)
    except ValueError:
        return Said(_plain(body))
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Gemini's gateway sends its error in a list
    if not isinstance(value, dict):
        return Said(as_text(value))
    inner = value.get("error")
    if isinstance(inner, dict):
        return _said(inner)
    if inner and isinstance(inner, str | list):
        return _said({**value, "message": inner})
    return _said(value)


def _said(value: Mapping[str, Any]) -> Said:
    message = next((value[name] for name in _WORDS if value.get(name) is not None), None)
    param = value.get("param")
    detail = value.get("detail") or value.get("errors")
    if isinstance(message, dict):
        detail = message.get("detail", message)
        message = None
    fields = detail if isinstance(detail, list) else message if isinstance(message, list) else None
    if fields is not None:
        message, param = _fields(fields), param or _location(fields)
    kind = value.get("type") or ""
    if fields and isinstance(fields[0], dict):
        kind = fields[0].get("type") or kind
    inner = value.get("innererror") or value.get("inner_error")
    code = value.get("code") or (inner.get("code") if isinstance(inner, dict) else None) or value.get("error_code")
    text = message if message is not None else detail if detail is not None else value
    details = value.get("details")
    return Said(
        as_text(text),
        as_text(kind),
        as_text(code or ""),
        param if isinstance(param, str) else None,
        as_text(details) if details else "",
    )


def _fields(fields: list[Any]) -> str:
    """FastAPI's list of field errors as one line: `max_tokens: Extra inputs are not permitted; ...`."""
    parts = []
    for field in fields:
        if isinstance(field, dict):
            words = next((field[name] for name in _WORDS if field.get(name) is not None), field)
            place = _location([field])
            parts.append(f"{place or 'request'}: {as_text(words)}" if place or "msg" in field else as_text(words))
        else:
            parts.append(as_text(field))
    return "; ".join(parts)


def _location(fields: list[Any]) -> str | None:
    first = fields[0] if fields else None
    place = first.get("loc") if isinstance(first, dict) else None
    if isinstance(place, list) and place:
        return ".".join(str(part) for part in place if part != "body") or None
    return None


def _plain(body: bytes) -> str:
    text = printable(body[:4000].decode("utf-8", "replace"))
    if "<" in text and (title := re.search(r"<title>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)):
        return title[1].strip()
    return re.sub(r"<[^>]*>", " ", text).strip()[:500]


def retry_hint_s(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds that the server asks to wait, or None. Anything that is no finite time in the future is ignored.

    Order: `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` (seconds or an HTTP date), then the message's words.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _number(headers.get(name))) is not None:
            return milliseconds / 1000.0
    value = headers.get("retry-after")
    if value is not None:
        seconds = _number(value)
        return seconds if seconds is not None else _until_date(value)
    if words := _WAIT_TEXT.search(message):
        return parse_duration_s(re.sub(r"\s*s(ec(ond)?s?)?$", "s", words[1].strip()))
    return None


def reset_hint_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the limit that is used up is whole again, or None: the most that a wait for it needs to be."""
    waits = [
        _until_reset_s(headers[name])
        for name in headers
        if _RESET.match(name) and _USED_UP.fullmatch(headers.get(name.lower().replace("reset", "remaining", 1), ""))
    ]
    return max((wait for wait in waits if wait), default=None)


def _until_reset_s(value: str) -> float | None:
    """Seconds until a reset: a duration, a time since 1970 in seconds or milliseconds, or a date."""
    seconds = parse_duration_s(value)
    if seconds is None:
        with suppress(ValueError):
            at = datetime.fromisoformat(value.strip())
            return max(0.0, at.replace(tzinfo=at.tzinfo or UTC).timestamp() - time.time())
        return _until_date(value)
    if seconds < _SINCE_1970 or re.search(r"[a-zµ]", value):
        return seconds
    return max(0.0, (seconds / 1000 if seconds >= _SINCE_1970 * 1000 else seconds) - time.time())


def _number(value: str | None) -> float | None:
    if value is None or not re.fullmatch(r"\s*\d{1,15}(\.\d*)?\s*", value, re.ASCII):
        return None
    number = float(value)
    return number if math.isfinite(number) and number > 0 else None


def _until_date(value: str) -> float | None:
    try:
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    seconds = at - time.time()
    return seconds if seconds > 0 else None


def parse_duration_s(value: str) -> float | None:
    """`6m0s`, `120ms`, `1h2m3s`, or a bare number of seconds, as seconds; None for anything else."""
    value = value.strip()
    total, position = 0.0, 0
    for part in _DURATION.finditer(value):
        if part.start() != position or (part[2] is None and part.end() != len(value)):
            return None
        total += float(part[1]) * _UNIT_S[part[2] or "s"]
        position = part.end()
    return total if value and position == len(value) and math.isfinite(total) else None
