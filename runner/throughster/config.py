"""The user's own configuration: `$XDG_CONFIG_HOME/throughster/config.toml`, outside every project."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.errors import SettingsError
from throughster.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Config", "in_ci", "read_config"]


@dataclass(frozen=True, slots=True)
class Config:
    """`allowed_hosts`: that keys may go to. `cache_max_mb`, `cache_max_age_days`: what the response cache keeps."""

    allowed_hosts: tuple[str, ...] = ()
    cache_max_mb: float = 1000.0
    cache_max_age_days: float = 30.0


def in_ci() -> bool:
    """Whether this runs in a CI system: nearly all set `CI`, and the others a variable of their own."""
    names = ("CI", "TF_BUILD", "TEAMCITY_VERSION", "JENKINS_URL")
    return any(os.environ.get(name, "").strip().lower() not in ("", "0", "false", "no") for name in names)


def read_config() -> Config:
    """What the file says; the defaults where there is none. Raises SettingsError when it cannot be understood."""
    path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "throughster" / "config.toml"
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    known = Config.__dataclass_fields__
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) or f"It may hold {', '.join(known)}."
            raise SettingsError(f"{path}: unknown key `{name}`. {hint}")
    return Config(**_checked(given, path))


def _checked(given: Mapping[str, Any], path: Path) -> dict[str, Any]:
    hosts = given.get("allowed_hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise SettingsError(f'{path}: `allowed_hosts` must be a list of texts, as in allowed_hosts = ["llm.example"].')
    for name, value in given.items():
        if name != "allowed_hosts" and (not isinstance(value, int | float) or isinstance(value, bool) or value <= 0):
            raise SettingsError(f"{path}: `{name}` must be a number above 0, found {value!r}.")
    return {**given, "allowed_hosts": tuple(hosts)}
