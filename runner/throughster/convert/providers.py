"""promptfoo's providers as ours: identifiers, configuration, keys that must not come along."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from throughster.convert.fields import Fields, Known
from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.parts import Part
from throughster.convert.requests import RequestParts, read_request
from throughster.convert.templates import has_template
from throughster.providers import DIALECTS, PROVIDERS
from throughster.spec.secrets import find_secrets
from throughster.yamltree import plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Asked", "Providers", "is_loopback"]

CHAT, RESPONSES = "chat/completions", "responses"
_KINDS: dict[str, str | None] = {
    "chat": CHAT, "responses": RESPONSES, "embedding": "embeddings", "embeddings": "embeddings", "completion": None,
    "assistant": None, "image": None, "realtime": None, "moderation": None, "speech": None, "transcription": None,
    "agents": None, "chatkit": None, "codex-sdk": None, "video": None, "tts": None, "live": None,
}  # fmt: skip
"""What may stand between the service and the model; None: an interface that we do not have."""
_SERVICES = {"openai": "openai", "azure": "azure", "azureopenai": "azure", "mistral": "mistral"}
_COMPATIBLE = frozenset({
    "ollama", "openrouter", "groq", "deepseek", "togetherai", "together", "litellm", "localai", "fireworks", "cerebras",
    "xai", "perplexity", "llamafile", "github", "vllm", "huggingface", "lmstudio", "nscale", "deepinfra", "hyperbolic",
})  # fmt: skip
_OWN_HOSTS = ("api.openai.com", "openai.azure.com", "cognitiveservices.azure.com", "azure-api.net", "api.mistral.ai")
_KEY_NAMES = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "vllm": "VLLM_API_KEY",
}
_REASONS = re.compile(r"^(?:.*[-/])?(?:o[134]|gpt-[5-9])(?:[-.].*)?$", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_DROPPED: Known = {
    "apiKeyRequired": ("harmless", "an address on this machine needs no key here; left out.", ""),
    "organization": ("harmless", "goes with the key; left out.", "Use a key of that organization."),
    "headers": ("changes", "headers of your own cannot be said in a spec, and may hold keys; left out.", ""),
    "functionToolCallbacks": ("changes", "are programs; left out.", "Use the Python library to run functions."),
    "mcp": ("changes", "servers of tools are not asked here; left out.", ""),
    "showThinking": ("harmless", "reasoning is kept apart from the answer here; left out.", ""),
    "omitDefaults": ("harmless", "only what is set is sent here.", ""),
    "modelName": ("harmless", "the model stands in the provider's identifier; left out.", ""),
    "functions": ("changes", "the older form of `tools` is not available; left out.", "Write them as `tools`."),
    "function_call": ("changes", "the older form of `tool_choice` is not available; left out.", ""),
    "transformRequest": ("changes", "is a program; left out.", ""),
    "transformResponse": ("changes", "is a program; left out.", ""),
    "isReasoningModel": ("harmless", "only what is set is sent here.", ""),
}
_OPTIONS: Known = {
    "env": (
        "changes",
        "values of the environment do not belong into a spec; left out.",
        "Set them in the environment.",
    ),
    "transform": ("changes", "is a program that changes every answer; left out.", ""),
    "delay": ("harmless", "waits are found by `concurrency` here; left out.", "Set `concurrency.requests_per_minute`."),
    "inputs": ("changes", "several inputs to one target are not available; left out.", ""),
}


def is_loopback(address: str) -> bool:
    return (urlsplit(address).hostname or "") in _LOOPBACK


@dataclass(frozen=True)
class Asked:
    """One provider. `entry`: ours; `names`: what tests and prompts call it; `prompts`: the only ones it is asked."""

    entry: dict[str, Any]
    names: tuple[str, ...]
    place: Place
    prompts: tuple[str, ...] | None = None
    request: RequestParts = field(default_factory=RequestParts)
    attempts: int | None = None

    @property
    def label(self) -> str:
        entry = self.entry
        return str(entry.get("label") or ":".join(filter(None, (entry["name"], entry.get("model")))))


@dataclass
class Providers:
    """Converts providers. `hosts`: those that must be allowed outside the spec; `secrets`: what must not be written."""

    files: Files
    losses: Losses
    hosts: dict[str, None] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    def convert(self, part: Part) -> list[Asked]:
        """The providers of a `providers:` value; those that cannot be asked are told and left out."""
        found = [asked for one in self._each(part, 0) if (asked := self.one(one)) is not None]
        return _with_distinct_labels(found)

    def _each(self, part: Part, depth: int) -> Iterator[Part]:
        if isinstance(part.value, list):
            for entry in part.value:
                yield from self._each(entry, depth)
        elif part.is_text and part.value.startswith(FILE) and part.value.lower().endswith((".yaml", ".yml", ".json")):
            try:
                yield from self._each(self.files.tree(part.value), depth + 1) if depth < 5 else ()
            except NotReadable as problem:
                self.losses.changes(part.at, quoted(part.value), f"{problem} Left out.")
        elif isinstance(part.value, dict) and "id" not in part.value and _is_keyed(part):
            for name, options in part.value.items():
                text = Part(name, options.key or part.place)
                body = options.value if isinstance(options.value, dict) else {}
                yield Part({"id": text, **body}, options.place)
        else:
            yield part

    def one(self, part: Part, *, embeds: bool = False, is_judge: bool = False) -> Asked | None:
        """`embeds`: it is asked for embeddings. None, and told, where it cannot be asked from here."""
        if part.is_text:
            part = Part({"id": part}, part.place, part.key)
        fields = Fields(part, self.losses, "provider")
        written = fields.text("id") or ""
        entry = self._identified(written, part.at, embeds=embeds)
        if entry is None:
            return None
        config = fields.take("config")
        prompt_names = fields.take("prompts")
        label = fields.text("label")
        asked = Asked(entry, tuple(filter(None, (written, label))), part.at)
        if prompt_names is not None and isinstance(prompt_names.value, list):
            asked = replace(asked, prompts=tuple(one.text() for one in prompt_names.value))
        if config is not None and not isinstance(config.value, dict):
            self.losses.changes(config.at, "`provider.config`", "is no mapping; left out.")
            config = None
        asked = self._configured(asked, config or Part({}, part.place), is_judge=is_judge)
        fields.close(_OPTIONS, ("id", "label", "config", "prompts"))
        if label:
            asked.entry["label"] = label
        return replace(asked, entry=_ordered(self._without_secrets(asked.entry, part.at)))

    def of_prompt(self, config: Part | None, asked: list[Asked]) -> Asked | None:
        """What a prompt's own configuration adds to each provider that is asked it."""
        if config is None or not isinstance(config.value, dict):
            return None
        kind = "responses" if all(one.entry.get("endpoint") == RESPONSES for one in asked) else "chat"
        written = {"id": Part(f"openai:{kind}:any", config.place), "config": config}
        return self.one(Part(written, config.place), is_judge=True)

    def _identified(self, written: str, place: Place, *, embeds: bool) -> dict[str, Any] | None:
        if written == "echo":
            todo = "Look at prompts with `throughster render`."
            self.losses.changes(place, "`echo`", "answers with the prompt, which nobody does here; left out.", todo)
            return None
        service, _, rest = written.partition(":")
        name = _SERVICES.get(service)
        kind, _, model = rest.partition(":")
        endpoint: str | None = CHAT
        if kind in _KINDS and (model or kind in ("chat", "responses")):
            endpoint = _KINDS[kind]
        else:
            model = rest
        if name is None or endpoint is None or (endpoint == "embeddings" and not embeds):
            self._refuse(written, service, place)
            return None
        entry: dict[str, Any] = {"name": name}
        if has_template(model):
            variable = f"{'AZURE_OPENAI' if name == 'azure' else name.upper()}_MODEL_NAME"
            why = "the model comes from the environment; left out."
            self.losses.changes(place, quoted(written), why, f"Set {variable}, or write the model into the spec.")
        elif model:
            entry["model"] = model
        elif name != "azure":
            todo = f"Set {name.upper()}_MODEL_NAME, or write the model into the spec."
            self.losses.harmless(place, quoted(written), "names no model; it comes from the environment.", todo)
        if endpoint == RESPONSES:
            entry["endpoint"] = RESPONSES
        return entry

    def _refuse(self, written: str, service: str, place: Place) -> None:
        if written.startswith((FILE, "python:", "exec:", "javascript:", "golang:", "ruby:", "package:")):
            why, todo = "is a program, which a spec never runs; left out.", ""
        elif written.startswith(("http:", "https:", "http", "ws:", "wss:", "webhook")):
            why, todo = (
                "is an address with a form of its own; left out.",
                "Servers that speak OpenAI's API can be asked.",
            )
        elif service in _COMPATIBLE:
            why = "is not one of the services here; left out."
            todo = "If it speaks OpenAI's API, write {name: vllm, model: ..., api_base: ...}."
        else:
            why, todo = "cannot be asked from here; left out.", "There are openai, azure, mistral and vllm."
        self.losses.changes(place, quoted(written or "provider"), why, todo)

    def _configured(self, asked: Asked, config: Part, *, is_judge: bool) -> Asked:
        fields = Fields(config, self.losses, "config")
        entry = dict(asked.entry)
        self._address(fields, entry)
        self._keys(fields, entry["name"])
        attempts = fields.number("maxRetries")
        self._price(fields, entry)
        request = read_request(fields, self.files, self.losses, responses=entry.get("endpoint") == RESPONSES)
        params = self._params(fields, entry, config, sends_usual=not is_judge)
        if request.body:
            params["extra_body"] = {**request.body, **params.get("extra_body", {})}
        if params:
            entry["params"] = params
        return replace(asked, entry=entry, request=request, attempts=None if attempts is None else int(attempts) + 1)

    def _address(self, fields: Fields, entry: dict[str, Any]) -> None:
        host, base, version = fields.text("apiHost"), fields.text("apiBaseUrl"), fields.text("apiVersion")
        deployment = fields.text("deployment_id") or fields.text("deploymentName")
        if entry["name"] == "azure":
            if version and not has_template(version):
                entry["api_version"] = version
            if deployment and "model" not in entry:
                entry["model"] = deployment
        address = f"https://{host}" if host and "://" not in host else host or base
        if address is None:
            return
        if has_template(address):
            name = "AZURE_OPENAI" if entry["name"] == "azure" else entry["name"].upper()
            why = "the address comes from the environment; left out."
            self.losses.changes(fields.part.at, "`config.apiBaseUrl`", why, f"Set {name}_API_BASE.")
            return
        address = address.rstrip("/")
        if host and entry["name"] != "azure" and not address.endswith("/v1"):
            address += "/v1"
        found = urlsplit(address)
        hostname = found.hostname or ""
        if found.scheme not in ("http", "https") or not hostname or "@" in found.netloc:
            self.losses.changes(fields.part.at, "`config.apiBaseUrl`", "is no plain web address; left out.")
            return
        if entry["name"] == "openai" and not hostname.endswith(_OWN_HOSTS):
            entry["name"] = "vllm"
        if hostname in ("api.openai.com", "api.mistral.ai"):
            return
        entry["api_base"] = address
        if not is_loopback(address):
            self.hosts[hostname] = None
            why = "a spec's address must be allowed outside the spec before a key goes there."
            self.losses.once(fields.part.at, "harmless", f"`{hostname}`", why, f"Run with --allow-host {hostname}.")

    def _keys(self, fields: Fields, name: str) -> None:
        key, variable = fields.take("apiKey"), fields.text("apiKeyEnvar")
        if key is not None:
            if key.is_text and not has_template(key.value):
                self.secrets.append(key.value)
            why = "a spec holds no key; left out."
            self.losses.harmless(key.at, "`config.apiKey`", why, f"Set {_KEY_NAMES[name]} in the environment.")
        if variable and variable != _KEY_NAMES[name]:
            why = f"the key is looked for in {_KEY_NAMES[name]} here."
            self.losses.harmless(fields.part.at, "`config.apiKeyEnvar`", why, f"Set {_KEY_NAMES[name]} to its value.")

    def _price(self, fields: Fields, entry: dict[str, Any]) -> None:
        both, asked, answered = fields.number("cost"), fields.number("inputCost"), fields.number("outputCost")
        if (asked if asked is not None else both) is not None and (
            answered if answered is not None else both
        ) is not None:
            entry["price"] = {
                "input": _per_million(asked if asked is not None else both),
                "output": _per_million(answered if answered is not None else both),
            }

    def _params(self, fields: Fields, entry: dict[str, Any], config: Part, *, sends_usual: bool) -> dict[str, Any]:
        provider, dialect = PROVIDERS[entry["name"]], DIALECTS[entry.get("endpoint", CHAT)]
        params: dict[str, Any] = {}
        sends_usual = sends_usual and fields.take("omitDefaults") is None
        for name, part in config.value.items():
            if name in _DROPPED:
                continue
            target = {"random_seed": "seed", "max_output_tokens": "max_tokens"}.get(name, name)
            if name == "passthrough":
                target, taken = "extra_body", isinstance(part.value, dict)
            else:
                taken = not dialect.check_fields(provider, [target]) and target not in _SPECIAL
            if not taken:
                continue
            fields.take(name)
            value = plain_numbers(part.plain())
            if _mentions_template(value):
                self.losses.changes(part.at, f"`config.{name}`", "is a template, which parameters are not; left out.")
            elif value is not None:
                params[target] = value
        fields.close(_DROPPED, _SPECIAL)
        usual = _usual(entry) if sends_usual else {}
        if "max_completion_tokens" in params:
            usual.pop("max_tokens", None)
        return {**usual, **params}

    def _without_secrets(self, entry: dict[str, Any], place: Place) -> dict[str, Any]:
        for path, value in dict(find_secrets({"provider": entry})).items():
            if isinstance(value, str):
                self.secrets.append(value)
            names = list(itertools.takewhile(lambda step: isinstance(step, str), path))  # of a list, the whole list
            owner: Any = {"provider": entry}
            for step in names[:-1]:
                owner = owner.get(step, {})
            if owner.pop(names[-1], None) is not None:
                self.losses.changes(place, f"`{names[-1]}`", "looks like a key, which a spec never holds; left out.")
        return entry


_SPECIAL = frozenset(
    {"model", "messages", "stream", "tools", "tool_choice", "response_format", "extra_body", "stream_options"}
)


def _is_keyed(part: Part) -> bool:
    return bool(part.value) and all(":" in name or name == "echo" for name in part.value)


def _usual(entry: dict[str, Any]) -> dict[str, Any]:
    """What promptfoo sends where the configuration says nothing."""
    if _REASONS.match(entry.get("model", "")):
        return {}
    return {"max_tokens": 1024} if entry["name"] == "mistral" else {"temperature": 0, "max_tokens": 1024}


def _per_million(per_token: float | None) -> float:
    return round((per_token or 0.0) * 1_000_000, 6)


def _mentions_template(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_mentions_template, value.values()))
    if isinstance(value, list):
        return any(map(_mentions_template, value))
    return isinstance(value, str) and (has_template(value) or value.startswith(FILE))


_ORDER = ("name", "model", "api_base", "api_version", "endpoint", "params", "price", "label")


def _ordered(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in _ORDER if name in entry}


def _with_distinct_labels(found: list[Asked]) -> list[Asked]:
    seen: dict[str, int] = {}
    distinct = []
    for asked in found:
        count = seen[asked.label] = seen.get(asked.label, 0) + 1
        labelled = {**asked.entry, "label": f"{asked.label} ({count})"} if count > 1 else asked.entry
        distinct.append(replace(asked, entry=labelled))
    return distinct
