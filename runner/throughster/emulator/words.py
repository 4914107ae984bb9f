"""Short texts: plain words, texts of a given length, and texts of the formats that JSON Schema names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.emulator.dice import Dice

__all__ = ["FORMATS", "sentence", "text_of_length"]

_WORDS: Final = (
    *("amber", "river", "stone", "quiet", "morning", "paper", "lantern", "garden", "copper", "window", "silver"),
    *("meadow", "bright", "harbour", "velvet", "orchard", "gentle", "thunder", "maple", "winter", "candle"),
    *("bridge", "ocean", "pepper", "marble", "summer", "feather", "island", "cotton", "valley", "forest", "cedar"),
)


def sentence(dice: Dice, count: int) -> str:
    return " ".join([dice.pick(_WORDS) for _ in range(count)])


def text_of_length(dice: Dice, low: int, high: int | None) -> str:
    """One or two words where they fit, else words cut or joined to between `low` and `high` characters."""
    text = sentence(dice, 1 + dice.below(2))
    while len(text) < low:
        text += " " + dice.pick(_WORDS)
    if high is not None and len(text) > high:
        text = text[:high]
        # A cut at a blank would leave a text that looks like a mistake.
        text = text[:-1] + "s" if text.endswith(" ") else text
    return text


def _date(dice: Dice) -> str:
    return f"20{10 + dice.below(20)}-{1 + dice.below(12):02}-{1 + dice.below(28):02}"


def _time(dice: Dice) -> str:
    return f"{dice.below(24):02}:{dice.below(60):02}:{dice.below(60):02}Z"


def _uuid(dice: Dice) -> str:
    digits = f"{dice.below(1 << 64):016x}{dice.below(1 << 64):016x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _word(dice: Dice) -> str:
    return dice.pick(_WORDS)


# Addresses are of the ranges and names that are reserved for documentation.
FORMATS: Final[dict[str, Callable[[Dice], str]]] = {
    "date": _date,
    "date-time": lambda dice: f"{_date(dice)}T{_time(dice)}",
    "duration": lambda dice: f"P{1 + dice.below(28)}D",
    "email": lambda dice: f"{_word(dice)}@example.com",
    "hostname": lambda dice: f"{_word(dice)}.example.com",
    "idn-email": lambda dice: f"{_word(dice)}@example.com",
    "idn-hostname": lambda dice: f"{_word(dice)}.example.com",
    "ipv4": lambda dice: f"192.0.2.{1 + dice.below(254)}",
    "ipv6": lambda dice: f"2001:db8::{1 + dice.below(65534):x}",
    "iri": lambda dice: f"https://example.com/{_word(dice)}",
    "iri-reference": lambda dice: f"/{_word(dice)}",
    "json-pointer": lambda dice: f"/{_word(dice)}",
    "regex": lambda dice: f"^{_word(dice)}$",
    "relative-json-pointer": lambda dice: f"{dice.below(3)}/{_word(dice)}",
    "time": _time,
    "uri": lambda dice: f"https://example.com/{_word(dice)}",
    "uri-reference": lambda dice: f"/{_word(dice)}",
    "uri-template": lambda dice: f"https://example.com/{_word(dice)}/{{id}}",
    "uuid": _uuid,
}
