"""The tokens of JavaScript, and what its texts and patterns stand for."""

from __future__ import annotations

import re

from throughster.convert.terms import Unsure

__all__ = ["Tokens", "pattern_of", "text_of"]

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/)"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`$\\]|\\.)*`)"
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<sign>===|!==|==|!=|<=|>=|=>|&&|\|\||\?\.|[-<>!().,\[\]?:;={}])",
    re.DOTALL,
)
_PATTERN = re.compile(r"/((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/([a-z]*)")


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each token; a `/` begins a pattern where a value may begin, and anywhere else it is not sure."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            found = _PATTERN.match(text, at)
            if found is None or not _begins_value(tokens):
                raise Unsure
            tokens.append(("pattern", found[0]))
        elif found.lastgroup != "space":
            tokens.append((str(found.lastgroup), found[0]))
        at = found.end()
    return tokens


def _begins_value(tokens: list[tuple[str, str]]) -> bool:
    kind, text = tokens[-1] if tokens else ("sign", "")
    return text == "return" if kind == "name" else kind == "sign" and text not in (")", "]")


class Tokens:
    """Where a parser stands in the tokens of a text. Raises Unsure for a text that has others."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, *signs: str) -> str:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "sign" and text in signs:
                self._at += 1
                return text
        return ""

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise Unsure

    def _name(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "name":
            self._at += 1
            return self._tokens[self._at - 1][1]
        raise Unsure

    def _words(self, *words: str) -> bool:
        """Take these tokens, if they are what comes."""
        if tuple(text for _, text in self._tokens[self._at : self._at + len(words)]) != words:
            return False
        self._at += len(words)
        return True

    def _end(self) -> None:
        if self._at != len(self._tokens):
            raise Unsure


def pattern_of(literal: str) -> str:
    source, flags = literal[1:].rsplit("/", 1)
    if set(flags) - set("gimsu") or ("g" in flags and "y" in flags):
        raise Unsure
    inline = "".join(flag for flag in "ims" if flag in flags)
    return (f"(?{inline})" if inline else "") + source.replace("\\/", "/")


def text_of(token: str) -> str:
    body = token[1:-1]
    if "\\" not in body:
        return body
    if re.search(r"\\[^'\"\\/nrtbf`]", body):
        raise Unsure
    escapes = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[1]), body)
