"""Azure OpenAI: deployments behind a dated api-version, and the v1 API. Source: Microsoft's REST reference, 2026-11."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, unquote

from throughster.errors import RequestError
from throughster.providers.openai import OpenAi

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Azure"]

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")
_V1 = re.compile(r"/(openai/)?v1$")
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)$")
_FIRST_WITH_NEW_FIELDS = "2024-09-01"
"""The first api-version that knows `max_completion_tokens` and `stream_options`."""


class Azure(OpenAi):
    """`model` is the deployment. Key in `api-key`, or an Entra token as bearer."""

    name = "azure"
    title = "Azure OpenAI"
    env_prefix = "AZURE_OPENAI_"
    env_aliases: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_base": ("AZURE_OPENAI_ENDPOINT",),
        "api_version": ("OPENAI_API_VERSION",),
        "model_name": ("AZURE_OPENAI_DEPLOYMENT",),
    }
    home: ClassVar[str | None] = None
    takes_version = True
    fields = OpenAi.fields | {"data_sources", "user_security_context"}
    request_id_headers = ("apim-request-id", "x-request-id")

    def model_in(self, api_base: str) -> str | None:
        found = _DEPLOYMENT.search(api_base)
        return unquote(found[1]) if found else None

    def needs_model(self, api_base: str) -> bool:
        return not self.model_in(api_base)

    def url(self, api_base: str, path: str, *, model: str | None, api_version: str | None) -> str:
        base = api_base.rstrip("/")
        if not _is_dated(api_version):
            base = _DEPLOYMENT.sub("", base)
            return (base if base.endswith("/v1") else f"{base.removesuffix('/openai')}/openai/v1") + path
        if _DEPLOYMENT.search(base):
            resource = _DEPLOYMENT.sub("", base)
        else:
            resource = _V1.sub("", base).removesuffix("/deployments").removesuffix("/openai")
            if model is None and path == "/chat/completions":
                raise RequestError("Which deployment? Give `model_name` to the client, or `model` in the request.")
            base = f"{resource}/openai/deployments/{quote(model or '', safe='')}"
        return f"{resource}/openai{path}" if path in ("/models", "/responses") else base + path

    def query(self, api_version: str | None) -> Mapping[str, str]:
        """The v1 API takes `preview` as a version; its default is never sent."""
        if api_version is None or api_version in ("v1", "latest"):
            return {}
        return {"api-version": api_version}

    def auth_headers(self, key: str) -> Mapping[str, str]:
        return {"api-key": key}

    def renames(self, api_version: str | None) -> Mapping[str, str]:
        return {} if _is_old(api_version) else super().renames(api_version)

    def asks_for_usage(self, api_version: str | None) -> bool:
        return not _is_old(api_version)


def _is_dated(api_version: str | None) -> bool:
    return bool(api_version and _DATED.match(api_version))


def _is_old(api_version: str | None) -> bool:
    return api_version is not None and _is_dated(api_version) and api_version[:10] < _FIRST_WITH_NEW_FIELDS
