"""Keys, addresses and model names: where they come from and where a key may go.

A key is bound to an address. It may go to the provider's own host, to the address that came from the same settings
or from the caller, and to hosts that were allowed outside the spec. An address written in a spec is called without a
key when it is on the loopback interface, and not at all when nobody allowed it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import AliasChoices, Field, SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from throughster.config import in_ci, read_config
from throughster.errors import HostNotAllowedError, SettingsError
from throughster.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from throughster.providers.base import Provider
    from throughster.types import Price

__all__ = [
    "Address",
    "ProviderSettings",
    "TokenProvider",
    "allowed_hosts",
    "is_loopback",
    "read_settings",
    "resolve_address",
    "shown_address",
    "variable_of",
]

TokenProvider: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives a fresh Entra token; a plain function is called in a thread."""

_FIELDS = ("api_base", "api_key", "api_version", "model_name")


class ProviderSettings(BaseSettings):
    """What the environment says of one provider. No `.env` file is read."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    api_base: str | None = None
    api_key: SecretStr | None = None
    api_version: str | None = None
    model_name: str | None = None


@dataclass(frozen=True)
class Address:
    """Where a client calls, and with which key. `key_variable` names the environment variable the key came from.

    `deployment`: what results call this place among several. `price`: of its tokens, where somebody said it.
    """

    api_base: str
    model: str | None = None
    api_version: str | None = None
    key: SecretStr | None = None
    key_variable: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    token_provider: TokenProvider | None = None
    deployment: str | None = None
    price: Price | None = None


@cache
def _settings_class(provider: Provider) -> type[ProviderSettings]:
    fields: dict[str, Any] = {}
    for name in _FIELDS:
        names = (provider.env_prefix + name.upper(), *provider.env_aliases.get(name, ()))
        kind = SecretStr if name == "api_key" else str
        fields[name] = (kind | None, Field(default=None, validation_alias=AliasChoices(*names)))
    return create_model(f"{type(provider).__name__}Settings", __base__=ProviderSettings, **fields)


def read_settings(provider: Provider) -> ProviderSettings:
    return _settings_class(provider)()


def variable_of(provider: Provider, name: str) -> str:
    """The environment variable that holds, or would hold, this setting."""
    first = provider.env_prefix + name.upper()
    names = (first, *provider.env_aliases.get(name, ()))
    return next((n for n in names if os.environ.get(n)), first)


def allowed_hosts(extra: Iterable[str] = ()) -> frozenset[str]:
    """Hosts (`host` or `host:port`) that keys may go to: given, `THROUGHSTER_ALLOWED_HOSTS`, the user's config file."""
    named = (*extra, *os.environ.get("THROUGHSTER_ALLOWED_HOSTS", "").split(","), *read_config().allowed_hosts)
    return frozenset(host.strip().lower() for host in named if host.strip())


_SCHEME = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


def shown_address(text: str) -> str:
    """An address as messages show it: without a user's name, a password or the values of a query."""
    scheme = _SCHEME.match(text)
    begin = scheme[0] if scheme else ""
    user, at, rest = text[len(begin) :].rpartition("@")  # before all else: a password may hold `#`, `?` and `/`
    bare, question, _ = rest.partition("#")[0].partition("?")
    return one_line(f"{begin}{user and '***'}{at}{bare}{question and '?...'}", 200)


def parse_address(text: str) -> URL:
    """The address, or SettingsError when it is not a plain http(s) address that reads the same to everyone."""
    try:
        url = URL(text)
    except (ValueError, TypeError):
        raise SettingsError(f"`{shown_address(text)}` is no address of a server.") from None
    host = url.raw_host or ""
    wrong = (
        "it must begin with http:// or https://" if url.scheme not in ("http", "https") or not host
        else "it must not hold a user name or a password" if url.user or url.password or "@" in text
        else "it must not hold a fragment (#)" if url.fragment or "#" in text
        else f"it must not hold a query ({_names_in(url)})" if url.query_string or "?" in text
        else "it must not hold a backslash, a blank or a control character" if any(c == "\\" or c <= " " for c in text)
        else "its host must be written in ASCII, without a trailing dot" if host.endswith(".") or not text.isascii()
        else ""
    )  # fmt: skip
    if wrong:
        raise SettingsError(f"`{shown_address(text)}` cannot be used as an address: {wrong}.")
    return url


def _names_in(url: URL) -> str:
    names = [part.partition("=")[0] for part in url.query_string.split("&") if "=" in part]
    return ", ".join(f"{one_line(name, 40)}=..." for name in names) or "?"


_ENDS = ("/chat/completions", "/responses", "/embeddings", "/models")


def _understood(provider: Provider, text: str, version: str | None, *, from_spec: bool) -> tuple[str, str | None]:
    """The address and the version of an address as people have it: the whole URI of a request, or a line of a file.

    Raises SettingsError where the URI's version is not the one that was set.
    """
    base, question, query = _unquoted(text).partition("?")
    if question and not from_spec and provider.takes_version:
        found = URL(f"?{query}").query
        if set(found) == {"api-version"}:
            question, told = "", _dashed(found["api-version"]) or None
            if told and version is not None and version != told:
                raise SettingsError(
                    f"The address says the version `{one_line(told, 40)}`, but `{one_line(version, 40)}` is set "
                    f"({variable_of(provider, 'api_version')}, or api_version=...). Leave one of them out."
                )
            _check_version(told)
            version = told or version
    base = base.rstrip("/")
    end = next((end for end in _ENDS if base.endswith(end)), "")
    return f"{base.removesuffix(end)}{question}{query if question else ''}", version


def _unquoted(text: str) -> str:
    """What a line of an environment file means: no white space around it, no quotes."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _dashed(version: str) -> str:
    """`20241021-preview` as `2024-10-21-preview`."""
    return re.sub(r"^(\d{4})(\d{2})(\d{2})(?=$|-)", r"\1-\2-\3", _unquoted(version))


_VERSION = re.compile(r"(?:\d{4}-\d{2}-\d{2}(?:-[a-z][\w.-]*)?|[a-z][\w.-]*)", re.IGNORECASE | re.ASCII)


def _check_version(version: str | None) -> None:
    """Raises SettingsError for what is no version: the service would answer that nothing is there."""
    if version is not None and not _VERSION.fullmatch(version):
        raise SettingsError(
            f"`{one_line(version, 40)}` is no api-version. Write a date, as in 2024-10-21 or 2024-10-21-preview, or v1."
        )


def is_loopback(url: URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host or "").is_loopback
    except ValueError:
        return False


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port


def _is_allowed(url: URL, hosts: frozenset[str]) -> bool:
    names = ((url.host or "").lower(), _host(url))
    places = [place for name in names for place in (name, f"{name}:{url.port}")]
    return any(place in hosts or f"{url.scheme}://{place}" in hosts for place in places)


def _host(url: URL) -> str:
    """The host as it stands in an address: IPv6 in brackets."""
    host = (url.host or "").lower()
    return f"[{host}]" if ":" in host else host


def resolve_address(
    provider: Provider,
    *,
    api_base: str | None = None,
    from_spec: bool = False,
    api_key: str | SecretStr | None = None,
    api_version: str | None = None,
    model: str | None = None,
    headers: dict[str, str] | None = None,
    token_provider: TokenProvider | None = None,
    hosts: Iterable[str] = (),
    keyless: bool = False,
) -> Address:
    """Where to call, and with which key.

    `api_base`, `api_key`: as the caller gave them; `from_spec` says that the address stood in a spec. `hosts`: allowed
    by the caller. `keyless`: nothing will be sent there, so that neither key nor address is needed. Raises
    SettingsError when something is missing (and says what to set), HostNotAllowedError when the key or the request
    would go where nobody allowed it.
    """
    settings = read_settings(provider)
    explicit = _usable(SecretStr(api_key) if isinstance(api_key, str) else api_key, "api_key=...")
    key = explicit or _usable(settings.api_key, variable_of(provider, "api_key"))
    base = api_base or _unquoted(settings.api_base or "") or provider.home
    if base is None and not provider.starts_emulator and not keyless:
        raise SettingsError(
            f"Where is the server of {provider.title}? Set {variable_of(provider, 'api_base')}, or give --api-base "
            f"(in Python: api_base=...)."
        )
    model = model or (_unquoted(settings.model_name or "") or None) or provider.default_model
    version = _dashed(api_version or settings.api_version or "") or None
    if provider.takes_version:
        _check_version(version)
    if base is not None:
        base, version = _understood(provider, base, version, from_spec=from_spec and api_base is not None)
        model = model or provider.model_in(base)
    if keyless:
        return Address(base or "", model, version, headers=headers or {})
    if base is None:
        return Address("", model, version, headers=headers or {})
    if token_provider is not None:
        key = None
    url = parse_address(base)
    if api_base is not None and from_spec:
        if not _may_call(url, provider, settings, hosts):
            raise HostNotAllowedError(
                f"`{shown_address(api_base)}` stands in the spec, and nobody outside the spec allowed its host. "
                f"Run with --allow-host {_host(url)}, or set THROUGHSTER_ALLOWED_HOSTS, or put the address on the "
                f"command line with --api-base."
            )
        if is_loopback(url) and not _may_have_key(url, provider, settings, hosts):
            key = None
    if (
        url.scheme == "http"
        and api_base is None
        and not is_loopback(url)
        and not _is_allowed(url, allowed_hosts(hosts))
    ):
        raise HostNotAllowedError(
            f"{variable_of(provider, 'api_base')} is `{base}`, which is not encrypted. Use https, or allow the host: "
            f"--allow-host {_host(url)}, or THROUGHSTER_ALLOWED_HOSTS={_host(url)}."
        )
    is_typed = api_base is not None and not from_spec
    in_clear = url.scheme == "http" and not is_loopback(url) and (key is not None or token_provider is not None)
    if (
        in_clear
        and not is_typed
        and not allowed_hosts(hosts) & {f"http://{_host(url)}", f"http://{_host(url)}:{url.port}"}
    ):
        raise HostNotAllowedError(
            f"A key would be sent to {_host(url)} without encryption. Use https, or allow just that: "
            f"--allow-host http://{_host(url)}, or THROUGHSTER_ALLOWED_HOSTS=http://{_host(url)}."
        )
    if key is None and provider.needs_key and not is_loopback(url) and not headers and token_provider is None:
        raise SettingsError(
            f"{provider.title} needs a key: set {variable_of(provider, 'api_key')} (in Python: api_key=...)."
        )
    variable = None if explicit or key is None else variable_of(provider, "api_key")
    return Address(base, model, version, key, variable, headers or {}, token_provider)


def _usable(key: SecretStr | None, where: str) -> SecretStr | None:
    """The key without white space around it, which keys that were read from a file have; None for none."""
    text = key.get_secret_value().strip() if key is not None else ""
    if any(c < " " or c == "\x7f" for c in text):
        raise SettingsError(f"The key in {where} cannot be sent: it holds a line break or another control character.")
    return SecretStr(text) if text else None


def _may_have_key(url: URL, provider: Provider, settings: ProviderSettings, hosts: Iterable[str]) -> bool:
    own = [address for address in (provider.home, settings.api_base) if address]
    addresses = [parse_address(_understood(provider, address, None, from_spec=False)[0]) for address in own]
    return any(_origin(url) == _origin(address) for address in addresses) or _is_allowed(url, allowed_hosts(hosts))


def _may_call(url: URL, provider: Provider, settings: ProviderSettings, hosts: Iterable[str]) -> bool:
    return (is_loopback(url) and not in_ci()) or _may_have_key(url, provider, settings, hosts)
