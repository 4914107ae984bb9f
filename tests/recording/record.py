"""Record what a live endpoint replies to the cases, one file each, in tests/recorded/<provider>/<version>/.

Everything comes from the environment; keys, and the host of the endpoint, are taken out of what is written by value.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from tests.recording.cases import CASES, CLASSES, outcome_of
from tests.recording.scrub import allowed_headers, scrub

from throughster.errors import SettingsError
from throughster.transport import Transport
from throughster.types import Retry

__all__ = ["record"]

RECORDED = Path(__file__).parents[1] / "recorded"

# The first name that is set counts. None: what the provider has of its own.
_VARIABLES = {
    "azure": {
        "api_base": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_BASE"),
        "api_key": ("AZURE_OPENAI_API_KEY",),
        "model_name": ("AZURE_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT"),
    },
    "openai": {"api_base": ("OPENAI_API_BASE",), "api_key": ("OPENAI_API_KEY",), "model_name": ("OPENAI_MODEL_NAME",)},
    "mistral": {
        "api_base": ("MISTRAL_API_BASE",),
        "api_key": ("MISTRAL_API_KEY",),
        "model_name": ("MISTRAL_MODEL_NAME",),
    },
    "vllm": {
        "api_base": ("VLLM_ENDPOINT", "VLLM_API_BASE"),
        "api_key": ("VLLM_API_KEY",),
        "model_name": ("VLLM_MODEL_NAME",),
    },
}
_OPTIONAL = {("openai", "api_base"), ("mistral", "api_base"), ("vllm", "api_key")}


class _Recorder(Transport):
    """A transport that remembers the last reply to a question."""

    reply = None

    async def send(self, method, url, headers, body, timeout):
        reply = await super().send(method, url, headers, body, timeout)
        if method == "POST":
            self.reply = (reply.status, reply.headers, reply.body)
        return reply

    @asynccontextmanager
    async def stream(self, method, url, headers, body, timeout):
        async with super().stream(method, url, headers, body, timeout) as reply:
            pieces = []
            chunks, read = reply.chunks, reply.read

            async def remembered():
                async for chunk in chunks():
                    pieces.append(chunk)
                    yield chunk

            async def read_whole():
                pieces.append(await read())
                return pieces[-1]

            reply.chunks, reply.read = remembered, read_whole
            try:
                yield reply
            finally:
                self.reply = (reply.status, reply.headers, b"".join(pieces))


async def record(provider, folder=RECORDED):
    """Ask every case and write its file. Returns the files. Raises SettingsError where a variable is missing."""
    options = _options(provider)
    secrets = _secrets(provider, options)
    version = os.environ.get("TARGET_VERSION") or await _own_version(provider, options)
    target = Path(folder) / provider / version
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for name, case in CASES.items():
        if case.providers is not None and provider not in case.providers:
            continue
        reply, outcome = await _ask(provider, {**options, "model_name": case.model or options["model_name"]}, case)
        if reply is None:
            raise SettingsError(f"{name}: the endpoint did not reply ({outcome.get('error')}).")
        files.append(target / f"{name}.json")
        files[-1].write_text(_entry(case, reply, outcome, secrets), "utf-8")
    return files


async def _ask(provider, options, case):
    """The last reply to the case, and what the client made of it."""
    async with CLASSES[provider](**options, retry=Retry(max_attempts=1), adapt=False) as client:
        client._transport = recorder = _Recorder()
        outcome = await outcome_of(client, case)
    return recorder.reply, outcome


async def _own_version(provider, options):
    """What the server says, else the day."""
    async with CLASSES[provider](**options) as client:
        version = await (await client.open()).wire.server_version()
    return ".".join(map(str, version)) if version else dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")


def _options(provider):
    options = {}
    for name, variables in _VARIABLES[provider].items():
        options[name] = next((os.environ[v] for v in variables if os.environ.get(v)), None)
        if options[name] is None and (provider, name) not in _OPTIONAL:
            raise SettingsError(f"Set {variables[0]} to record from {CLASSES[provider].provider.title}.")
    if provider == "azure":
        options["api_version"] = os.environ.get("TARGET_VERSION") or None
    return options


def _secrets(provider, options):
    """Every key in the environment, not only the one in use, and the name of a resource of somebody's own."""
    keys = {value for name, value in os.environ.items() if name.endswith(("_API_KEY", "_TOKEN")) and len(value) >= 4}
    host = urlsplit(options["api_base"] or "").hostname or ""
    is_own = host not in ("", "127.0.0.1", "localhost", "::1")
    return keys | ({host, host.partition(".")[0]} if provider in ("azure", "vllm") and is_own else set())


def _entry(case, reply, outcome, secrets):
    status, headers, raw = reply
    entry = {
        "kind": case.kind,
        "model": case.model,
        "request": case.request,
        "options": case.options,
        "status": status,
        "headers": allowed_headers(headers),
        "body": _body(scrub(raw.decode("utf-8"), secrets)),
        "outcome": json.loads(scrub(json.dumps(outcome), secrets)),
    }
    return scrub(json.dumps(entry, indent=1), secrets) + "\n"


def _body(text):
    """Parsed JSON where it is JSON, else the text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
