"""Canned answers from the emulator in this package: no key, no internet, the same road as any provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughster.providers.openai import OpenAi

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Offline"]


class Offline(OpenAi):
    """Speaks OpenAI's dialect to a server on the loopback interface that the client starts itself."""

    name = "offline"
    title = "the offline emulator"
    env_prefix = "THROUGHSTER_OFFLINE_"
    env_aliases: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    home: ClassVar[str | None] = None
    needs_key = False
    default_model: ClassVar[str | None] = "canned"
    starts_emulator = True
