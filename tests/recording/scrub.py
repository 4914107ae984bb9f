"""What a recording may hold: a few headers, and no secret in any spelling."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

__all__ = ["MASK", "allowed_headers", "scrub"]

MASK = "scrubbed"
_HEADERS = ("content-type", "retry-after", "retry-after-ms", "x-ratelimit-", "x-ms-region", "openai-processing-ms")
_IDS = ("x-request-id", "apim-request-id", "mistral-correlation-id")


def allowed_headers(headers):
    """The headers that say something of the provider's ways; ids of exchanges masked."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower().startswith(_HEADERS)}
    return kept | {name.lower(): MASK for name in headers if name.lower() in _IDS}


def scrub(text, secrets):
    """The text without the secrets, however they are written in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        for spelling in _spellings(secret):
            text = text.replace(spelling, MASK)
    return text


def _spellings(secret):
    encoded = base64.b64encode(secret.encode()).decode()
    in_json = _in_json(secret)  # twice: a tool call's arguments are JSON inside JSON
    return dict.fromkeys([
        secret, quote(secret, safe=""), in_json, _in_json(in_json), encoded, encoded.rstrip("="),
    ])  # fmt: skip


def _in_json(text):
    return json.dumps(text)[1:-1]
