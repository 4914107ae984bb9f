"""What the providers share: the chat-completions dialect, and the questions that each provider answers for itself.

A provider is pure. It turns a request into what goes over the wire, and what comes back into values or errors; it
never sends, waits or remembers. A subclass holds only what differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from throughster.characters import whole
from throughster.errors import RequestError
from throughster.names import did_you_mean
from throughster.providers.failure import parse_error
from throughster.providers.quota import OPENAI_HEADERS, QuotaHeaders, parse_quota
from throughster.providers.ranges import check_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.errors import ProviderError
    from throughster.providers.ranges import Range
    from throughster.types import Message, Quota

__all__ = ["CHAT_FIELDS", "Provider"]

CHAT_FIELDS: frozenset[str] = frozenset({
    "frequency_penalty", "logprobs", "max_tokens", "messages", "model", "n", "parallel_tool_calls", "presence_penalty",
    "response_format", "stop", "stream", "temperature", "tool_choice", "tools", "top_logprobs", "top_p",
})  # fmt: skip
"""Request fields that every provider of the dialect takes."""


class Provider:
    """One service. All of it is class data and pure functions, so that a provider is one short file."""

    name: ClassVar[str]
    title: ClassVar[str]
    env_prefix: ClassVar[str]
    """Settings are `<prefix>API_BASE`, `API_KEY`, `API_VERSION`, `MODEL_NAME`."""
    env_aliases: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Further names of a setting that users already have."""
    home: ClassVar[str | None] = None
    """The service's own address; its key may always go there."""
    needs_key: ClassVar[bool] = True
    default_model: ClassVar[str | None] = None
    fields: ClassVar[frozenset[str]] = CHAT_FIELDS
    strategies: ClassVar[tuple[str, ...]] = ("json_schema", "tool", "json_object", "prompt")
    """Ways to ask for structured output, the surest first."""
    strict_schemas: ClassVar[bool] = False
    """Whether `strict: true` restricts which schemas are taken."""
    strict_tools: ClassVar[bool] = True
    """Whether a tool may say `strict: true`, so that its arguments are held to its schema."""
    endpoints: ClassVar[tuple[str, ...]] = ("chat/completions", "responses")
    request_id_headers: ClassVar[tuple[str, ...]] = ("x-request-id",)
    quota_headers: ClassVar[QuotaHeaders] = OPENAI_HEADERS
    starts_emulator: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {}
    """Values of sampling parameters where they are not what most services take."""
    version_path: ClassVar[str | None] = None
    """Where the server tells its version."""

    takes_version: ClassVar[bool] = False
    """Whether an `api-version` is part of its requests."""

    def model_in(self, api_base: str) -> str | None:  # noqa: ARG002
        """The model that an address names, or None."""
        return None

    def needs_model(self, api_base: str) -> bool:
        """Whether a request to this address must name a model."""
        return self.home is not None and not self.model_in(api_base)

    def at(self, api_base: str) -> Provider:  # noqa: ARG002
        """This provider as it is spoken to at this address."""
        return self

    def url(self, api_base: str, path: str, *, model: str | None, api_version: str | None) -> str:  # noqa: ARG002
        """The address of `path` (`/chat/completions`, `/models`), without a query."""
        return api_base.rstrip("/") + path

    def query(self, api_version: str | None) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    def auth_headers(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def renames(self, api_version: str | None) -> Mapping[str, str]:  # noqa: ARG002
        """Names of fields, as users write them -> as this provider has them."""
        return {}

    def asks_for_usage(self, api_version: str | None) -> bool:  # noqa: ARG002
        """Whether usage in a stream has to be asked for with `stream_options`."""
        return True

    def choice_fields(self, choices: Sequence[str], version: tuple[int, ...] | None) -> Mapping[str, Any]:  # noqa: ARG002
        """Fields that hold the answer to one of these texts, where the provider can do that."""
        return {}

    def check_fields(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """The names that this provider does not take, each with what is wrong with it."""
        known = self.fields | self.renames(None).keys()
        return [
            (name, f"{self.title} takes no request field `{name}`. {did_you_mean(name, known)}".rstrip())
            for name in names
            if name not in known and name != "extra_body"
        ]

    def check_values(self, params: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """The sampling parameters whose values nobody takes, each with what is wrong with it and what to do."""
        checked = ((name, *check_value(name, value, self.ranges)) for name, value in params.items())
        return [(name, message, hint) for name, message, hint in checked if message]

    def build_fields(self, request: Mapping[str, Any], api_version: str | None = None) -> dict[str, Any]:
        """The wire fields of a request, messages left out. Raises RequestError on a field the provider does not take.

        Only what is set goes out; `extra_body` is laid over the result as it is.
        """
        for _, message in self.check_fields(tuple(request)):
            raise RequestError(f"{message} (extra_body={{...}} sends a field as it is.)")
        renames = self.renames(api_version)
        fields = {
            renames.get(name, name): value for name, value in request.items() if name not in ("messages", "extra_body")
        }
        fields.update(request.get("extra_body") or {})
        return fields

    def build_messages(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages as this provider wants them; the caller's are never changed."""
        return messages

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return parse_error(status, headers, body, title=self.title, request_id=self.request_id(headers))

    def parse_quota(self, headers: Mapping[str, str]) -> Quota | None:
        """What the reply says of the limits per minute, or None."""
        return parse_quota(headers, self.quota_headers)

    def request_id(self, headers: Mapping[str, str]) -> str | None:
        return next((whole(headers[name]) for name in self.request_id_headers if name in headers), None)
