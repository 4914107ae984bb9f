"""The model of a `.prompty` file: whom it asks, with which parameters, in both versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from throughster.convert.fields import Fields, Known
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.parts import Part
from throughster.convert.properties import as_object_schema
from throughster.convert.providers import is_loopback
from throughster.convert.requests import RequestParts, read_request
from throughster.errors import Problem, SpecError
from throughster.providers import DIALECTS, PROVIDERS
from throughster.yamltree import plain_numbers

if TYPE_CHECKING:
    from throughster.convert.files import Files

__all__ = ["read_model", "read_tools_v2"]

_SERVICES = {
    "azure_openai": "azure", "azure": "azure", "foundry": "azure", "openai": "openai", "mistral": "mistral",
    "vllm": "vllm",
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{(?:env:)?[^}]*\}")
_KEYS = frozenset({"api_key", "apiKey", "key"})
_OPTION_NAMES = {
    "maxOutputTokens": "max_completion_tokens", "topP": "top_p", "topK": "top_k", "stopSequences": "stop",
    "frequencyPenalty": "frequency_penalty", "presencePenalty": "presence_penalty",
    "allowMultipleToolCalls": "parallel_tool_calls", "reasoningEffort": "reasoning_effort",
}  # fmt: skip
_NOT_PARAMS = frozenset({"tools", "tool_choice", "response_format", "stream"})
_ENV = {
    "azure": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_API_BASE"),
    "openai": ("OPENAI_API_KEY", "OPENAI_API_BASE"),
    "mistral": ("MISTRAL_API_KEY", "MISTRAL_API_BASE"),
    "vllm": ("VLLM_API_KEY", "VLLM_API_BASE"),
}
_CONNECTION: Known = {
    "connection": ("harmless", "is kept by another program; left out.", "Set key and address in the environment."),
    "organization": ("harmless", "goes with the key; left out.", "Use a key of that organization."),
    "project": ("harmless", "goes with the key; left out.", ""),
    "kind": ("harmless", "key and address come from the environment; left out.", ""),
    "authenticationMode": ("harmless", "key and address come from the environment; left out.", ""),
    "usageDescription": ("harmless", "has no counterpart; left out.", ""),
    "target": ("harmless", "key and address come from the environment; left out.", ""),
    "headers": ("changes", "headers of your own cannot be said in a spec, and may hold keys; left out.", ""),
}
_MODEL: Known = {
    "response": ("harmless", "every result is the first answer; left out.", ""),
}


def read_model(
    part: Part | None,
    place: Place,
    files: Files,
    losses: Losses,
    hosts: dict[str, None],
    secrets: list[str],
    second: bool,
) -> tuple[dict[str, Any], RequestParts]:
    """(our provider, what else it asks for). Raises SpecError for what is no conversation."""
    if part is not None and part.is_text:
        return {"name": "openai", "model": part.value}, RequestParts()
    fields = Fields(part or Part({}, place), losses, "model", "prompty")
    api = fields.text("apiType" if second else "api") or "chat"
    if api in ("embedding", "image"):
        at = fields.part.place
        raise SpecError(
            [Problem(at.file, at.line, at.column, f"This asks for `{api}`, and a spec only has conversations.")]
        )
    if api == "completion":
        losses.changes(fields.part.at, "`model.api`", "completions are asked as chats here.")
    model = fields.text("id") if second else None
    service = (fields.text("provider") or "openai") if second else None
    connection = fields.take("connection" if second else "configuration")
    options = fields.take("options" if second else "parameters")
    fields.close(_MODEL, ("api", "apiType", "configuration", "parameters", "id", "provider", "connection", "options"))
    entry = _service(connection, service, fields, losses)
    if model and entry["name"] != "offline":
        entry["model"] = model
    _configure(entry, connection, losses, hosts, secrets)
    if "model" not in entry and entry["name"] != "offline":
        variable = f"{'AZURE_OPENAI' if entry['name'] == 'azure' else entry['name'].upper()}_MODEL_NAME"
        why = "no model is named; it comes from the environment."
        losses.harmless(fields.part.at, "`model`", why, f"Set {variable}, or write the model into the spec.")
    if api == "responses" and entry["name"] != "offline":
        entry["endpoint"] = "responses"
    return _with_options(entry, options, files, losses, second)


def _service(connection: Part | None, service: str | None, fields: Fields, losses: Losses) -> dict[str, Any]:
    kind = connection.get("type") if connection is not None else None
    written = service or (kind.text() if kind is not None else "azure_openai")
    if kind is None and service is None:
        why = "names no service; `azure` stands there, as in prompty's own examples."
        losses.harmless(fields.part.at, "`model.configuration`", why, "Write another one, if you mean another.")
    name = _SERVICES.get(written)
    if name is None:
        why = "cannot be asked from here; `provider: offline` stands there, which gives canned answers."
        losses.changes((kind or fields.part).at, quoted(written), why, "There are openai, azure, mistral and vllm.")
        name = "offline"
    return {"name": name}


def _configure(
    entry: dict[str, Any], connection: Part | None, losses: Losses, hosts: dict[str, None], secrets: list[str]
) -> None:
    if connection is None or not isinstance(connection.value, dict):
        return
    fields = Fields(connection, losses, "connection", "prompty")
    fields.take("type")
    fields.take("kind")
    names = _ENV.get(entry["name"], ("the key", "the address"))
    for name in _KEYS & set(connection.value):
        part = fields.take(name)
        if part is not None and part.is_text and not _VARIABLE.search(part.value):
            secrets.append(part.value)
            losses.harmless(
                part.at, f"`{name}`", "a spec holds no key; left out.", f"Set {names[0]} in the environment."
            )
    deployment = _value(fields, ("azure_deployment", "deployment", "name", "model"), losses, "the model")
    version = _value(fields, ("api_version", "apiVersion"), losses, "the version")
    address = _value(fields, ("azure_endpoint", "endpoint", "base_url", "baseUrl"), losses, f"the address ({names[1]})")
    if entry["name"] != "offline":
        if deployment and not deployment.startswith("<"):
            entry["model"] = deployment
        if version and entry["name"] == "azure":
            entry["api_version"] = version
        _address(entry, address, connection, losses, hosts)
    fields.close(_CONNECTION, ("type", "azure_endpoint", "azure_deployment", "api_version", "endpoint", "api_key"))


def _value(fields: Fields, names: tuple[str, ...], losses: Losses, what: str) -> str | None:
    """The first of these keys that says something itself; one that the environment says is told."""
    found = None
    for name in names:
        part = fields.take(name)
        if part is None or isinstance(part.value, dict | list):
            continue
        text = part.text()
        if _VARIABLE.search(text):
            losses.harmless(part.at, f"`{name}`", f"{what} comes from the environment here too.")
        elif found is None:
            found = text
    return found


def _address(entry: dict[str, Any], address: str | None, part: Part, losses: Losses, hosts: dict[str, None]) -> None:
    if not address:
        return
    parsed = urlsplit(address)
    if parsed.scheme not in ("http", "https") or not parsed.hostname or "@" in parsed.netloc:
        losses.changes(part.at, "`endpoint`", "is no plain web address; left out.")
        return
    if parsed.hostname == "api.openai.com":
        return
    entry["api_base"] = address.rstrip("/")
    if not is_loopback(address):
        hosts[parsed.hostname] = None
        why = "a spec's address must be allowed outside the spec before a key goes there."
        losses.once(part.at, "harmless", f"`{parsed.hostname}`", why, f"Run with --allow-host {parsed.hostname}.")


def _with_options(
    entry: dict[str, Any], options: Part | None, files: Files, losses: Losses, second: bool
) -> tuple[dict[str, Any], RequestParts]:
    if options is None or not isinstance(options.value, dict):
        return entry, RequestParts()
    fields = Fields(options, losses, "options" if second else "parameters", "prompty")
    request = read_request(fields, files, losses, responses=entry.get("endpoint") == "responses")
    provider = PROVIDERS[entry["name"] if entry["name"] != "offline" else "openai"]
    dialect = DIALECTS[entry.get("endpoint", "chat/completions")]
    params: dict[str, Any] = {}

    def read(given: Fields) -> None:
        for name, part in given.part.value.items():
            target = _OPTION_NAMES.get(name, name)
            if target in _NOT_PARAMS or dialect.check_fields(provider, [target]):
                continue
            given.take(name)
            if _VARIABLE.search(str(part.plain())):
                losses.changes(part.at, f"`{name}`", "comes from the environment, which parameters do not; left out.")
            elif part.value is not None:
                params[target] = plain_numbers(part.plain())

    extra = fields.take("additionalProperties") if second else None
    if extra is not None and isinstance(extra.value, dict):
        more = Fields(extra, losses, "additionalProperties", "prompty")
        read(more)
        for name in extra.value.keys() - params.keys():
            part = more.take(name)
            if part is not None:
                why = "is no field that this service takes; left out."
                losses.changes(
                    part.at, f"`additionalProperties.{name}`", why, "`extra_body` in `params` sends it as it is."
                )
    read(fields)
    fields.close({}, _OPTION_NAMES)
    if request.body:
        params["extra_body"] = request.body
    return ({**entry, "params": params} if params else entry), request


def read_tools_v2(part: Part, losses: Losses) -> list[dict[str, Any]]:
    """Functions; other kinds of tools are told."""
    tools = []
    for entry in part.value if isinstance(part.value, list) else []:
        name, kind = entry.get("name"), entry.get("kind")
        if name is None or kind is None or kind.text() != "function":
            losses.changes(entry.at, "`tools`", "only functions can be given to a model here; left out.")
            continue
        tool: dict[str, Any] = {"name": name.text()}
        description, parameters = entry.get("description"), entry.get("parameters")
        if description is not None:
            tool["description"] = description.text()
        if parameters is not None:
            made = as_object_schema(parameters, losses, f"`tools.{name.text()}`")
            if made is not None:
                made["required"] = _required(parameters)
                tool["parameters"] = made
        tools.append(tool)
    return tools


def _required(parameters: Part) -> list[str]:
    entries = parameters.value if isinstance(parameters.value, list) else []
    flags = [(entry.get("name"), entry.get("required")) for entry in entries]
    return [name.text() for name, flag in flags if name is not None and flag is not None and flag.value is True]
