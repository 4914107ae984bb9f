"""Azure OpenAI: OpenAI's APIs behind deployments, api-versions and content filters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from throughster.emulator.azure_trouble import AzureTrouble
from throughster.emulator.exchange import RejectedError, Route
from throughster.emulator.openai import OpenAI
from throughster.emulator.openai_faults import openai_error
from throughster.emulator.openai_request import FIELDS
from throughster.emulator.streams import event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.emulator.answering import Outcome
    from throughster.emulator.checks import Field
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation
    from throughster.emulator.question import Question
    from throughster.emulator.trouble import Trouble

__all__ = ["Azure"]

_DEPLOYMENT_PATH: Final = re.compile(r"/openai/deployments/([^/]+)/chat/completions")
_DATED: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")
_V1_VERSIONS: Final = frozenset({"v1", "preview", "latest"})
# The first dated api-version that knows a field; one before it answers as if the field did not exist.
_SINCE: Final = {
    "stream_options": "2024-09-01",
    "max_completion_tokens": "2024-09-01",
    "parallel_tool_calls": "2024-09-01",
    "reasoning_effort": "2024-12-01",
    "store": "2024-12-01",
    "metadata": "2024-12-01",
}
_STRUCTURED_SINCE: Final = "2024-08-01"
_RESPONSES_SINCE: Final = "2025-03-01"
_SAFE: Final = {"filtered": False, "severity": "safe"}
_FILTERS: Final = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), _SAFE)
_CUT: Final = {**_FILTERS, "violence": {"filtered": True, "severity": "high"}}
_PROMPT_FILTERS: Final = [
    {
        "prompt_index": 0,
        "content_filter_results": {**_FILTERS, "jailbreak": {"filtered": False, "detected": False}},
    }
]
_UNDERLYING_MODEL: Final = "gpt-4o-2024-11-20"


class Azure(OpenAI):
    """`https://RESOURCE.openai.azure.com`, with the deployment in the path (dated api-versions) or in `model` (v1)."""

    routes: ClassVar[Mapping[str, Mapping[str, Operation]]] = {
        "/openai/v1/chat/completions": {"POST": "chat"},
        "/openai/v1/responses": {"POST": "responses"},
        "/openai/responses": {"POST": "responses"},
        "/openai/v1/models": {"GET": "models"},
        "/openai/models": {"GET": "models"},
    }
    server: ClassVar[str] = "emulated"
    api_path: ClassVar[str] = ""

    def route(self, method: str, path: str, query: Mapping[str, str]) -> Route:
        version = query.get("api-version")
        deployment = _DEPLOYMENT_PATH.fullmatch(path)
        if deployment is None:
            route = super().route(method, path, query)
            if path.startswith("/openai/v1/"):
                _check_v1_version(version)
            elif version is None or not _DATED.fullmatch(version):
                raise self.not_found(method, path)
            elif route.operation == "responses" and version[:10] < _RESPONSES_SINCE:
                message = "Azure OpenAI Responses API is enabled only for api-version 2025-03-01-preview and later"
                raise _gateway_error(400, "BadRequest", message)
            return route
        if method != "POST" or version is None or not _DATED.fullmatch(version):
            raise self.not_found(method, path)
        return Route("chat", model=deployment[1], api_version=version)

    def not_found(self, method: str, path: str) -> RejectedError:  # noqa: ARG002  # Azure does not say what it missed
        return _gateway_error(404, "404", "Resource not found")

    def method_not_allowed(self, method: str, path: str) -> RejectedError:
        return self.not_found(method, path)

    def check_key(self, headers: Mapping[str, str]) -> None:
        if self.options.api_key is None or headers.get("api-key") == self.options.api_key:
            return
        if not self.bearer_matches(headers):
            message = "Access denied due to invalid subscription key or wrong API endpoint."
            raise _gateway_error(401, "401", message)

    def fields(self, route: Route) -> Mapping[str, Field]:
        if route.api_version is None:
            return FIELDS
        date = route.api_version[:10]
        return {name: field for name, field in FIELDS.items() if date >= _SINCE.get(name, "")}

    def model_asked_for(self, body: Mapping[str, Any], route: Route) -> str:
        deployment = route.model if route.model is not None else body.get("model")
        if not isinstance(deployment, str) or not deployment:
            raise openai_error(400, "you must provide a model parameter")
        if self.options.model is not None and deployment != self.options.model:
            message = "The API deployment for this resource does not exist."
            raise _gateway_error(404, "DeploymentNotFound", message)
        wanted = body.get("response_format")
        structured = isinstance(wanted, dict) and wanted.get("type") == "json_schema"
        if structured and route.api_version is not None and route.api_version[:10] < _STRUCTURED_SINCE:
            message = (
                "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
            )
            raise openai_error(400, message, "response_format")
        return deployment

    def for_responses_only(self, model: str) -> RejectedError:
        message = f"The chatCompletion operation does not work with the specified model, {model}."
        return _gateway_error(400, "OperationNotSupported", message)

    def response_envelope(self, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:
        """Return OpenAI's, with the filters and the deployment's name."""
        envelope = super().response_envelope(question, outcome, stamp)
        cut = outcome.choices[0].finish == "content_filter"
        filters = [_response_filter("prompt", _FILTERS), _response_filter("completion", _CUT if cut else _FILTERS)]
        return {**envelope, "model": question.model, "content_filters": filters}

    def served_model(self, model: str) -> str:  # noqa: ARG002  # a deployment's name is not what it runs
        return _UNDERLYING_MODEL

    def envelope_extras(self) -> dict[str, Any]:
        return {"system_fingerprint": "fp_b705f0c291"}

    def choice_extras(self, *, empty: bool, filtered: bool) -> dict[str, Any]:
        results = {} if empty else _FILTERS
        return {"content_filter_results": _CUT if filtered else results}

    def whole(self, *args: Any) -> dict[str, Any]:
        return {**super().whole(*args), "prompt_filter_results": _PROMPT_FILTERS}

    def opening_events(self) -> list[bytes]:
        return [_OPENING]

    def padding(self, stamp: Stamp) -> dict[str, str]:  # noqa: ARG002  # none is seen here
        return {}

    def trouble(self) -> Trouble:
        limits = (self.options.requests_per_minute, self.options.tokens_per_minute)
        return AzureTrouble(is_enforced=limits != (None, None))

    def reply_headers(self, stamp: Stamp) -> dict[str, str]:
        number = stamp.unique
        guid = f"{number[16:]}-{number[:4]}-4{number[4:7]}-8{number[7:10]}-{number[10:16]}{number[:6]}"
        return {
            "server": self.server,
            "apim-request-id": guid,
            "x-request-id": guid,
            "x-ms-region": "Sweden Central",
            "azureml-model-session": "d001-emulated",
        }


_OPENING: Final = event(
    {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": _PROMPT_FILTERS,
    }
)


def _gateway_error(status: int, code: str, message: str) -> RejectedError:
    return RejectedError(status, {"error": {"code": code, "message": message}})


def _response_filter(source: str, results: dict[str, Any]) -> dict[str, Any]:
    blocked = any(result["filtered"] for result in results.values())
    return {"blocked": blocked, "source_type": source, "content_filter_raw": [], "content_filter_results": results}


def _check_v1_version(version: str | None) -> None:
    if version is not None and version not in _V1_VERSIONS:
        raise _gateway_error(400, "BadRequest", "API version not supported")
