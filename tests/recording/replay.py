"""A recorded reply, served again to the client that asked."""

from __future__ import annotations

import json

import orjson
from aiohttp import web
from tests.recording.cases import CLASSES, Case, outcome_of

from throughster.types import Retry

__all__ = ["replay"]


async def replay(path, serving):
    """The outcome that a recording has, and the one that the client makes of its reply today.

    `path`: .../<provider>/<version>/<case>.json. `serving`: serves a handler on loopback and gives its origin.
    """
    entry = json.loads(path.read_text("utf-8"))
    provider, version = path.parts[-3:-1]
    case = Case(entry["kind"], entry["request"], entry["options"])

    async def reply(request):
        if request.path == "/version":
            return web.json_response({"version": version})
        body = entry["body"]
        data = body.encode() if isinstance(body, str) else orjson.dumps(body)
        return web.Response(status=entry["status"], headers=entry["headers"], body=data)

    options = {"api_version": version} if provider == "azure" else {}
    async with (
        serving(reply) as origin,
        CLASSES[provider](
            api_base=f"{origin}/v1",
            api_key="sk-replay",
            model_name="m",
            retry=Retry(max_attempts=1),
            adapt=False,
            **options,
        ) as client,
    ):
        return entry["outcome"], json.loads(json.dumps(await outcome_of(client, case)))
