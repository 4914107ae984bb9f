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


def parted(text: str, reasoning: str | None) -> tuple[str, str | None]:
    """The answer, and the reasoning: what the server told apart, or the block before the answer.

    Models whose prompt opens the block write only its end. A block that never ends leaves no answer.
    """
    if not reasoning and ("think>" in text or "THINK]" in text):
        begin = text.lstrip(_BLANK)
        for start, end in _BLOCKS.items():
            if begin.startswith(start):
                thought, _, answer = begin[len(start) :].partition(end)
                return answer.lstrip(_BLANK), thought.strip() or None
        thought, end, answer = text.partition("</think>")
        if end and "<think>" not in thought and not _is_json(text):
            return answer.lstrip(_BLANK), thought.strip(_BLANK) or None
    return text.removeprefix("\ufeff"), reasoning


def _is_json(text: str) -> bool:
    """Whether all of the text is one JSON value: then a tag in it is part of the answer."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


class Opening:
    """The beginning of a streamed text, read until it is known whether it is reasoning, and until that has ended.

    `is_over`: what follows is the answer, as it comes.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._held: list[str] = []
        self._end = ""
        self._answers = False

    def read(self, piece: str) -> tuple[str, list[str]]:
        """What is known now: reasoning, and pieces of the answer. Pieces are never put together."""
        self._held.append(piece)
        text = "".join(self._held).lstrip(_BLANK)
        if self._answers:
            return self._answer(text)
        if not self._end:
            start = next((start for start in _BLOCKS if text.startswith(start)), None)
            if start is None:
                may_be = any(start.startswith(text) for start in _BLOCKS)
                return "", ([] if may_be else self.release()[1])
            self._end = _BLOCKS[start]
            text = text[len(start) :].lstrip(_BLANK)
        else:
            text = "".join(self._held)
        return self._think(text)

    def release(self) -> tuple[str, list[str]]:
        """What was held back, when nothing more comes."""
        self.is_over = True
        held, self._held = self._held, []
        if self._end:
            return ("" if self._answers else "".join(held)), []
        if held:
            held[0] = held[0].removeprefix("\ufeff")
        return "", [piece for piece in held if piece]

    def _think(self, text: str) -> tuple[str, list[str]]:
        thought, end, answer = text.partition(self._end)
        if end:
            self._answers = True
            return thought, self._answer(answer.lstrip(_BLANK))[1]
        kept = next((n for n in range(len(self._end) - 1, 0, -1) if text.endswith(self._end[:n])), 0)
        self._held = [text[len(text) - kept :]] if kept else []
        return text[: len(text) - kept], []

    def _answer(self, text: str) -> tuple[str, list[str]]:
        self._held = []
        self.is_over = bool(text)
        return "", [text] if text else []
