"""How near an answer is to a reference text."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from throughster.checks.answer import Unanswerable
from throughster.checks.check import Outcome, WrongCheck
from throughster.checks.judge import JudgeError, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import JudgedRun, Run
    from throughster.checks.entry import Entry
    from throughster.checks.judge import Judge

__all__ = ["bleu", "levenshtein", "rouge", "similar"]

_A_REFERENCE = "the text to compare with"
_LONGEST = 100_000  # characters
_MOST_PAIRS = 4_000_000  # of words, for each of which ROUGE-L keeps a number: a second, and 32 MB
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def levenshtein(entry: Entry) -> Run:
    """Characters to put in, take out or change, white space around the texts apart."""
    from rapidfuzz.distance import Levenshtein  # compiled code that few specs need

    reference, most = entry.text(_A_REFERENCE).strip(), entry.limit

    def run(subject: Subject, _answer: Answer) -> Outcome:
        text = _bounded(subject.text).strip()
        distance = Levenshtein.distance(text, reference)
        passed = distance <= most
        return Outcome.of(passed, f"distance {distance} is {'within' if passed else 'more than'} {most:g}")

    return run


def rouge(entry: Entry) -> Run:
    """ROUGE-L, F-measure: the longest common subsequence of words (Lin 2004)."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise _missing(entry) from None
    words = _Words()
    scorer = RougeScorer(["rougeL"], tokenizer=words)
    reference = entry.text(_A_REFERENCE)
    count = len(words.tokenize(reference))
    if not count:
        entry.refuse_value("a text with words in it")

    def score_of(text: str) -> float:
        found = len(words.tokenize(text))
        if found * count > _MOST_PAIRS:
            raise Unanswerable(f"{found:,} words and {count:,} of the reference are too many to compare")
        return float(scorer.score(reference, text)["rougeL"].fmeasure)

    return _scored(entry, score_of)


class _Words:
    """Words in lower case, of any script; of Chinese and Japanese each character."""

    def tokenize(self, text: str) -> list[str]:
        return _WORD.findall(text.lower())


def bleu(entry: Entry) -> Run:
    """BLEU of one sentence, with as many n-grams as it has, from 0 to 1 (Papineni 2002; sacreBLEU's tokens)."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise _missing(entry) from None
    scorer = BLEU(effective_order=True)
    reference = entry.text(_A_REFERENCE)
    return _scored(entry, lambda text: min(1.0, scorer.sentence_score(text, [reference]).score / 100.0))


def _missing(entry: Entry) -> WrongCheck:
    hint = "Install it: pip install 'throughster[similarity]'."
    return WrongCheck(f"`{entry.type}` needs a library that is not installed.", hint, ("type",))


def _scored(entry: Entry, score_of: Callable[[str], float]) -> Run:
    least = entry.limit
    return lambda subject, _answer: _at_least(score_of(_bounded(subject.text)), least)


def _at_least(score: float, least: float) -> Outcome:
    return Outcome(score >= least, score, f"{score:.3f} is {'at least' if score >= least else 'less than'} {least:g}")


def _bounded(text: str) -> str:
    if len(text) > _LONGEST:
        raise Unanswerable(f"the text has {len(text):,} characters; at most {_LONGEST:,} are compared")
    return text


def similar(entry: Entry) -> JudgedRun:
    """Cosine of the embeddings of the two texts; below 0 it counts as 0."""
    reference, least = entry.text(_A_REFERENCE), entry.limit

    async def run(subject: Subject, _answer: Answer, judge: Judge) -> Outcome:
        if not subject.text.strip():
            raise Unanswerable("the answer has no text, and so no embedding")
        found = await judged(judge.embed((subject.text, reference)), entry.type)
        if len(found) != 2:
            raise JudgeError(f"similar: two embeddings were asked for, {len(found)} came.")
        return _at_least(min(1.0, max(0.0, _cosine(*found))), least)

    return run


def _cosine(first: Sequence[float], second: Sequence[float]) -> float:
    length = math.hypot(*first) * math.hypot(*second)
    if len(first) != len(second) or not length or not math.isfinite(length):
        raise JudgeError("similar: the embeddings cannot be compared: they are zero, or of different lengths.")
    return sum(a * b for a, b in zip(first, second, strict=True)) / length
