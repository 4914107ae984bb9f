"""What a vLLM release takes, what it silently ignores, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from throughster.emulator.checks import TOOLS, Fault, Field, check_fields, check_tools
from throughster.emulator.exchange import RejectedError
from throughster.emulator.messages import check_messages
from throughster.emulator.pydantic_faults import pydantic_words
from throughster.emulator.question import Shape, read_question, schema_shape
from throughster.emulator.synthesize import BadSchemaError, check_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from throughster.emulator.options import Options
    from throughster.emulator.question import Question

__all__ = [
    "VllmRelease",
    "check_shape",
    "check_stop",
    "malformed_or_out_of_range",
    "read_vllm",
    "refuse_bad_schema",
    "vllm_error",
]

_NAME: Final = Field(("string",))
_OBJECT: Final = Field(("object",))
_FLAG: Final = Field(("boolean",))
_FIELDS: Final[Mapping[str, Field]] = {
    "messages": Field(("array",), least=1),
    "model": _NAME,
    "chat_template_kwargs": _OBJECT,
    "frequency_penalty": Field(("number",), -2, 2),
    "ignore_eos": _FLAG,
    "logit_bias": _OBJECT,
    "logprobs": _FLAG,
    "max_completion_tokens": Field(("integer",), 1),
    "max_tokens": Field(("integer",), 1),
    "min_p": Field(("number",), 0, 1),
    "min_tokens": Field(("integer",), 0),
    "n": Field(("integer",), 1, 16384),
    "parallel_tool_calls": _FLAG,
    "presence_penalty": Field(("number",), -2, 2),
    "priority": Field(("integer",)),
    "reasoning_effort": Field(("string",), values=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "repetition_penalty": Field(("number",), 0, open_low=True),
    "response_format": _OBJECT,
    "seed": Field(("integer",), -(2**63), 2**63 - 1),
    "stop": Field(("string", "array"), items=_NAME),
    "stop_token_ids": Field(("array",)),
    "stream": _FLAG,
    "stream_options": _OBJECT,
    "structured_outputs": _OBJECT,
    "temperature": Field(("number",), 0, 2),
    "tool_choice": Field(("string", "object"), values=("none", "auto", "required")),
    "tools": TOOLS,
    "top_k": Field(("integer",), -1),
    "top_logprobs": Field(("integer",), -1, 20),
    "top_p": Field(("number",), 0, 1, open_low=True),
}
_FORMAT: Final = {
    "type": Field(("string",), values=("text", "json_object", "json_schema", "structural_tag")),
    "json_schema": _OBJECT,
}
_JSON_SCHEMA: Final = {"name": _NAME, "schema": Field(("object", "boolean"))}
_CONSTRAINTS: Final = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")
_GUIDED: Final = ("guided_json", "guided_regex", "guided_choice", "guided_grammar")
_MOST_STOPS: Final = 4
_RANGE_KINDS: Final = frozenset({"low", "high"})


@dataclass(frozen=True, slots=True)
class VllmRelease:
    """A release, and how it differs from the others."""

    major: int
    minor: int

    @classmethod
    def parse(cls, version: str) -> Self:
        """Raise ValueError where `version` does not begin like `0.33`."""
        found = re.match(r"v?(\d+)\.(\d+)", version)
        if found is None:
            raise ValueError(f"{version!r} is no vLLM version; write one such as 0.33.0")
        return cls(int(found[1]), int(found[2]))

    def since(self, minor: int) -> bool:
        return (self.major, self.minor) >= (0, minor)

    @property
    def knows_guided(self) -> bool:
        return not self.since(12)

    @property
    def knows_structured_outputs(self) -> bool:
        return self.since(11)

    @property
    def flat_errors(self) -> bool:
        return not self.since(9)

    @property
    def has_responses(self) -> bool:
        return self.since(10)

    @property
    def lists_no_tool_calls(self) -> bool:
        """Whether `tool_calls` is an empty list where there are none; the exact release of the change is not known."""
        return not self.since(16)

    @property
    def caps_stops(self) -> bool:
        return self.since(21)

    @property
    def reasoning_fields(self) -> tuple[str, ...]:
        if not self.since(11):
            return ("reasoning_content",)
        return ("reasoning",) if self.since(16) else ("reasoning", "reasoning_content")


def vllm_error(
    release: VllmRelease, status: int, message: str, param: str | None = None, *, kind: str = "BadRequestError"
) -> RejectedError:
    error = {"message": message, "type": kind, "param": param, "code": status}
    return RejectedError(status, {"object": "error", **error} if release.flat_errors else {"error": error})


def read_vllm(body: dict[str, Any], model: str, options: Options, release: VllmRelease) -> Question:
    """Return the question in a body that this release takes; unknown keys are ignored. Raises RejectedError."""
    faults = list(_faults(body))
    if faults:
        raise malformed_or_out_of_range(release, faults)
    _check_combinations(body, options, release)
    check_stop(body.get("stop"), release)
    _check_tools(body, release)
    _check_format(body.get("response_format") or {}, release)
    return read_question(body, model, check_shape(body, release))


def malformed_or_out_of_range(release: VllmRelease, faults: list[Fault]) -> RejectedError:
    """Return the refusal for the faults of a body: pydantic's list of what is malformed, else the first bad value."""
    malformed = [fault for fault in faults if fault.kind not in _RANGE_KINDS]
    return _validation_error(release, malformed) if malformed else _range_error(release, faults[0])


def _faults(body: dict[str, Any]) -> Iterator[Fault]:
    yield from check_fields(body, _FIELDS, required=("messages",), unknown_allowed=True)
    if isinstance(body.get("messages"), list):
        yield from check_messages(body["messages"], None, unknown_allowed=True)
    if isinstance(body.get("tools"), list):
        yield from check_tools(body["tools"], type_required=False)
    wanted = body.get("response_format")
    if isinstance(wanted, dict):
        place = ("response_format",)
        yield from check_fields(wanted, _FORMAT, required=("type",), unknown_allowed=True, place=place)
        described = wanted.get("json_schema")
        if wanted.get("type") == "json_schema" and (described is None or isinstance(described, dict)):
            place_inside = (*place, "json_schema")
            yield from check_fields(
                described or {}, _JSON_SCHEMA, required=("name",), unknown_allowed=True, place=place_inside
            )


def _validation_error(release: VllmRelease, faults: list[Fault]) -> RejectedError:
    lines = [f"{' -> '.join(map(str, ('body', *fault.place)))}: {pydantic_words(fault)[1]}" for fault in faults]
    count = f"{len(lines)} validation error{'s' if len(lines) > 1 else ''}"
    return vllm_error(release, 400, f"{count}: {'; '.join(lines)}", kind="Bad Request")


def _range_error(release: VllmRelease, fault: Fault) -> RejectedError:
    name, field = str(fault.place[-1]), fault.field
    assert field is not None
    low = "-inf" if field.low is None else f"{field.low:g}"
    bounds = f"{'(' if field.open_low or field.low is None else '['}{low}, "
    bounds += "inf)" if field.high is None else f"{field.high:g}]"
    return vllm_error(release, 400, f"{name} must be in {bounds}, got {fault.found}.", name)


def _check_combinations(body: dict[str, Any], options: Options, release: VllmRelease) -> None:
    def refuse(message: str, param: str | None = None) -> RejectedError:
        return vllm_error(release, 400, message, param)

    for name in sorted(options.unsupported_parameters & body.keys()):
        raise refuse(f"{name} is not supported by this server.", name)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refuse("Stream options can only be defined when `stream=True`.", "stream_options")
    if (body.get("top_logprobs") or 0) > 0 and not body.get("logprobs"):
        raise refuse("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    if (body.get("n") or 1) > 1 and body.get("temperature") == 0:
        raise refuse(f"n must be 1 when using greedy sampling, got {body['n']}.", "n")
    if body.get("priority"):
        raise refuse("Got priority but the server does not schedule by priority.", "priority")


def check_stop(stop: str | list[str] | None, release: VllmRelease) -> None:
    if stop == "" or (isinstance(stop, list) and "" in stop):
        raise vllm_error(release, 400, "stop cannot contain an empty string.", "stop")
    if release.caps_stops and isinstance(stop, list) and len(stop) > _MOST_STOPS:
        message = f"stop has {len(stop)} strings, but at most {_MOST_STOPS} are allowed."
        raise vllm_error(release, 400, message, "stop")


def _check_tools(body: dict[str, Any], release: VllmRelease) -> None:
    _check_tool_choice(body, release)
    for tool in body.get("tools") or ():
        refuse_bad_schema(tool["function"].get("parameters", True), release)


def _check_format(wanted: dict[str, Any], release: VllmRelease) -> None:
    if wanted.get("type") == "json_schema" and "schema" in (wanted.get("json_schema") or {}):
        refuse_bad_schema(wanted["json_schema"]["schema"], release)


def _check_tool_choice(body: dict[str, Any], release: VllmRelease) -> None:
    choice = body.get("tool_choice")
    if choice is None or choice == "none":
        return
    tools = body.get("tools") or ()
    if not tools:
        raise vllm_error(release, 400, "When using `tool_choice`, `tools` must be set.", "tool_choice")
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if name not in [tool["function"]["name"] for tool in tools]:
            message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
            raise vllm_error(release, 400, message, "tool_choice")


def check_shape(body: dict[str, Any], release: VllmRelease) -> Shape | None:
    """Return what the constraints beside `response_format` ask for, or None. Raises RejectedError."""
    shape = _constraint(body, release)
    if shape is not None and shape.kind == "json_schema":
        refuse_bad_schema(shape.value, release)
    return shape


def _constraint(body: dict[str, Any], release: VllmRelease) -> Shape | None:
    """Return what `structured_outputs` or the older `guided_*` ask for; None where the release knows neither."""
    if release.knows_structured_outputs and body.get("structured_outputs"):
        given = body["structured_outputs"]
        kinds = [kind for kind in _CONSTRAINTS if given.get(kind) is not None]
        if len(kinds) != 1:
            message = f"You must use exactly one kind of structured outputs constraint, but got {len(kinds)}."
            raise vllm_error(release, 400, message, "structured_outputs")
        return _shape(kinds[0], given[kinds[0]], release)
    if release.knows_guided:
        for name in _GUIDED:
            if body.get(name) is not None:
                return _shape(name.removeprefix("guided_"), body[name], release)
    return None


def _shape(kind: str, value: Any, release: VllmRelease) -> Shape | None:
    if kind == "json":
        return schema_shape(_read_schema(value, release))
    if kind == "choice":
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            raise vllm_error(release, 400, "choice must be a list of texts, at least one.", "structured_outputs")
        return Shape("choice", value)
    if kind == "json_object":
        return Shape("json_object")
    if kind == "structural_tag":
        return None  # it constrains only what stands between its tags, and a text without tags meets it
    if not isinstance(value, str):
        raise vllm_error(release, 400, f"{kind} must be a text.", "structured_outputs")
    return Shape("grammar", value) if kind == "grammar" else Shape("regex", value)


def _read_schema(value: Any, release: VllmRelease) -> Any:
    """Return the schema, which may come as JSON or as a text that holds JSON."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise vllm_error(release, 400, f"json holds no JSON: {error}", "structured_outputs") from error


def refuse_bad_schema(schema: Any, release: VllmRelease) -> None:
    try:
        check_schema(schema)
    except BadSchemaError as error:
        raise vllm_error(release, 400, f"Grammar error: {error}") from error
