"""Reasoning that a server without a reasoning parser leaves in the text, before the answer: `<think>...</think>`.

A byte order mark before the answer goes the same way: it is no part of it.
"""

from __future__ import annotations

import orjson

__all__ = ["MAY_OPEN", "Opening", "parted"]

MAY_OPEN = "<[\ufeff \t\r\n"
"""What a text begins with when reasoning or a byte order mark stands before its answer."""

_BLOCKS = {"<think>": "</think>", "[THINK]": "[/THINK]"}
_BLANK = "\ufeff \t\r\n"
_MOST_BLOCKS = 100


def parted(text: str, reasoning: str | None) -> tuple[str, str | None]:
    """The answer, and the reasoning: what the server told apart, or the blocks before the answer.

    Models whose prompt opens the block write only its end. A block that never ends leaves no answer.
    """
    if not reasoning and ("think>" in text or "THINK]" in text):
        opening = Opening()
        thought, answers = opening.read(text)
        if opening.has_thought:
            more, rest = opening.release()
            return "".join((*answers, *rest)), f"{thought}{more}".strip() or None
        thought, end, answer = text.partition("</think>")
        if end and "<think>" not in thought and not _is_quoted(thought, answer) and not _is_json(text):
            return answer.lstrip(_BLANK), thought.strip(_BLANK) or None
    return text.removeprefix("\ufeff"), reasoning


def _is_quoted(before: str, after: str) -> bool:
    """Whether a tag between these is spoken of, as in `</think>` with its quotes."""
    return before[-1:] in tuple("`\"'") and after.startswith(before[-1:])


def _is_json(text: str) -> bool:
    """Whether all of the text is one JSON value: then a tag in it is part of the answer."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


class Opening:
    """The beginning of a text, read until it is known whether it is reasoning, and until that has ended.

    `has_thought`: a block of it has begun. `is_over`: what follows is the answer, as it comes.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._held: list[str] = []
        self._begin = ""  # of what was held, without blanks before it: never longer than a tag
        self._end = ""
        self._blocks = 0

    @property
    def has_thought(self) -> bool:
        return self._blocks > 0

    def read(self, piece: str) -> tuple[str, list[str]]:
        """What is known now: reasoning, and pieces of the answer. Pieces are never put together."""
        thoughts: list[str] = []
        while self._end or not self._may_answer(piece):
            if not self._end:  # a block begins
                piece, self._begin = self._opened(thoughts), ""
            thought, end, rest = "".join((*self._held, piece)).partition(self._end)
            kept = 0 if end else self._kept(thought)
            thoughts.append(thought[: len(thought) - kept])
            self._held = [thought[len(thought) - kept :]] if kept else []
            if not end:
                return "".join(thoughts), []
            self._end, piece = "", rest
        return "".join(thoughts), self._answer() if self.is_over else []

    def release(self) -> tuple[str, list[str]]:
        """What was held back, when nothing more comes."""
        self.is_over = True
        return ("".join(self._held), []) if self._end else ("", self._answer())

    def _may_answer(self, piece: str) -> bool:
        """Hold a piece that may begin an answer. False: what is held begins a block."""
        self._begin = (self._begin + piece).lstrip(_BLANK)
        if self._begin or not self._blocks:
            self._held.append(piece if self._held or not self._blocks else self._begin)
        if self._blocks < _MOST_BLOCKS and self._begin.startswith(tuple(_BLOCKS)):
            return False
        self.is_over = self._blocks >= _MOST_BLOCKS or not any(start.startswith(self._begin) for start in _BLOCKS)
        return True

    def _opened(self, thoughts: list[str]) -> str:
        """What follows the tag that was held."""
        start = next(start for start in _BLOCKS if self._begin.startswith(start))
        if self._blocks:
            thoughts.append("\n")
        self._blocks += 1
        self._end, self._held = _BLOCKS[start], []
        return self._begin[len(start) :]

    def _kept(self, thought: str) -> int:
        """How many characters at its end may begin the tag that ends it."""
        return next((n for n in range(len(self._end) - 1, 0, -1) if thought.endswith(self._end[:n])), 0)

    def _answer(self) -> list[str]:
        held, self._held = self._held, []
        if held:
            held[0] = held[0].removeprefix("\ufeff")
        return [piece for piece in held if piece]
