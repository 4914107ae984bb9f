"""Canned answers from the emulator in this package: no key, no internet, the same road as any provider."""

from __future__ import annotations

from throughster.providers.openai import OpenAi

__all__ = ["Offline"]


class Offline(OpenAi):
    """Speaks OpenAI's dialect to a server on the loopback interface that the client starts itself."""

    name = "offline"
    title = "the offline emulator"
    env_prefix = "THROUGHSTER_OFFLINE_"
    env_aliases = {}
    home = None
    needs_key = False
    needs_model = False
    starts_emulator = True
