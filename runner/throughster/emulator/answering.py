"""The answer to a question: from the answers file, or made up from its messages, tools and format alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

import orjson

from throughster.emulator.dice import Dice
from throughster.emulator.encoding import compact_json, json_bytes
from throughster.emulator.grammars import GrammarError, pattern_of_grammar
from throughster.emulator.patterns import text_for_pattern
from throughster.emulator.question import message_texts
from throughster.emulator.synthesize import BadSchemaError, NoInstanceError, build_instance
from throughster.emulator.words import sentence

if TYPE_CHECKING:
    from throughster.emulator.answers import Answers, Entry
    from throughster.emulator.question import Question, Shape, Tool

__all__ = ["Call", "Choice", "Outcome", "UnanswerableError", "answer_question", "count_tokens"]

_CHARACTERS_PER_TOKEN: Final = 4  # a rule of thumb for English; the emulator has no tokenizer
_PIECE: Final = re.compile(r"\s*\S{1,8}|\s+")


class UnanswerableError(Exception):
    """No answer can be built. `tool`: the name of the one whose schema stands in the way; None: the format's does."""

    def __init__(self, message: str, *, tool: str | None = None) -> None:
        super().__init__(message)
        self.tool = tool


@dataclass(frozen=True)
class Call:
    """A tool call. `arguments`: JSON text, perhaps cut at the token limit. `seed`: 128 bits to make an id of."""

    name: str
    arguments: str
    seed: int


@dataclass(frozen=True)
class Choice:
    """One of the `n` answers. `text`: None where there are calls. `stop_string`: the one that ended the text.

    `is_refusal`: whether the text is that of a model which declines.
    """

    index: int
    text: str | None
    calls: tuple[Call, ...] = ()
    finish: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    stop_string: str | None = None
    is_refusal: bool = False

    @cached_property
    def pieces(self) -> list[str]:
        """The text in word-like pieces that add up to it."""
        return _PIECE.findall(self.text or "")

    @property
    def tokens(self) -> int:
        written = sum(len(call.arguments) for call in self.calls) if self.calls else len(self.text or "")
        return count_tokens(written)


@dataclass(frozen=True)
class Outcome:
    """Every choice, and what was counted."""

    choices: tuple[Choice, ...]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)


def count_tokens(characters: int) -> int:
    return max(1, -(-characters // _CHARACTERS_PER_TOKEN))


def answer_question(question: Question, answers: Answers | None) -> Outcome:
    """Return the outcome; the same messages, tools and format give the same. Raises UnanswerableError.

    Through which of a provider's addresses they came makes no difference.
    """
    texts = message_texts(question.messages)
    canned = answers.find("\n".join(texts)) if answers is not None else None
    seed = _seed_of(question)
    choices = tuple(_choice(question, index, seed, canned) for index in range(question.n))
    return Outcome(choices, count_tokens(sum(map(len, texts))))


def _seed_of(question: Question) -> bytes:
    material = [question.messages, question.tools_given, question.format_given]
    return sha256(orjson.dumps(material, option=orjson.OPT_SORT_KEYS)).digest()


def _choice(question: Question, index: int, seed: bytes, canned: Entry | None) -> Choice:
    if index:
        seed = sha256(seed + index.to_bytes(2, "big")).digest()
    tools = _tools_to_call(question, canned)
    if tools:
        return _with_calls(question, index, tools, seed, canned)
    choice = _with_text(question, index, canned.answer if canned is not None else _text(question.shape, seed))
    if canned is None or not question.may_be_declined:
        return choice
    if canned.kind == "filtered":
        return replace(choice, finish="content_filter")
    return replace(choice, is_refusal=canned.kind == "refusal")


def _tools_to_call(question: Question, canned: Entry | None) -> tuple[Tool, ...]:
    mode, allowed = question.tool_choice.mode, question.tool_choice.allowed
    if mode == "named":
        return allowed[:1]
    if mode == "required":
        return allowed[: 2 if question.parallel_tool_calls else 1]
    asked = canned is None and question.messages and question.messages[-1].get("role") == "user"
    return allowed[:1] if mode == "auto" and asked else ()


def _with_calls(question: Question, index: int, tools: tuple[Tool, ...], seed: bytes, canned: Entry | None) -> Choice:
    calls: list[Call] = []
    budget = None if question.max_tokens is None else question.max_tokens * _CHARACTERS_PER_TOKEN
    cut = False
    for position, tool in enumerate(tools):
        number = int.from_bytes(sha256(seed + b"call" + bytes([position])).digest()[:16], "big")
        arguments = canned.answer if canned is not None else _arguments(tool, number)
        if budget is not None:
            cut = cut or len(arguments) > budget
            arguments, budget = arguments[:budget], max(0, budget - len(arguments))
        calls.append(Call(tool.name, arguments, number))
        if cut:
            break
    return Choice(index, None, tuple(calls), "length" if cut else "tool_calls")


def _arguments(tool: Tool, seed: int) -> str:
    if tool.parameters is None:
        return "{}"
    try:
        return compact_json(build_instance(tool.parameters, seed))
    except BadSchemaError as error:
        raise UnanswerableError(str(error), tool=tool.name) from error
    except NoInstanceError as error:
        raise UnanswerableError(_unbuildable(str(error)), tool=tool.name) from error


def _with_text(question: Question, index: int, text: str) -> Choice:
    stops = [(text.find(stop), stop) for stop in question.stop if stop]
    found = min((hit for hit in stops if hit[0] >= 0), default=None)
    stop_string = None
    if found is not None:
        text, stop_string = text[: found[0]], found[1]
    if question.max_tokens is not None and len(text) > question.max_tokens * _CHARACTERS_PER_TOKEN:
        return Choice(index, text[: question.max_tokens * _CHARACTERS_PER_TOKEN], finish="length")
    return Choice(index, text, stop_string=stop_string)


def _text(shape: Shape, seed: bytes) -> str:
    number = int.from_bytes(seed[:8], "big")
    dice = Dice(number)
    if shape.kind == "text":
        return f"Canned answer {seed.hex()[:6]}: {sentence(dice, 5 + dice.below(5))}."
    if shape.kind == "json_object":
        return compact_json({"answer": f"Canned answer {seed.hex()[:6]}", "words": sentence(dice, 3)})
    if shape.kind == "choice":
        return str(dice.pick(shape.value))
    try:
        if shape.kind == "json_schema":
            return json_bytes(build_instance(shape.value, number)).decode()
        pattern = pattern_of_grammar(shape.value) if shape.kind == "grammar" else f"^(?:{shape.value})$"
    except (BadSchemaError, GrammarError) as error:
        raise UnanswerableError(str(error)) from error
    except NoInstanceError as error:
        raise UnanswerableError(_unbuildable(str(error))) from error
    text = text_for_pattern(pattern, dice)
    if text is None:
        raise UnanswerableError(_unbuildable(f"no text was found for the {shape.kind} {shape.value!r}"))
    return text


def _unbuildable(reason: str) -> str:
    return f"The emulator cannot build an answer that fits: {reason}."
