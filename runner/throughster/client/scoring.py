"""Probability-weighted scores: the expectation of the score under the model's own token probabilities.

Source: Liu et al., G-Eval, arXiv 2303.16634, section 2.1 (scoring function).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from throughster.errors import AnswerError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.types import Message, Response

__all__ = ["nlg_score", "scored_request"]

_TOP = 20
_MOST_TOKENS = 16  # the least that the Responses API takes; a score ends long before


def scored_request(
    request: Mapping[str, Any], protocol: str | Sequence[Message], scores: Sequence[int]
) -> dict[str, Any]:
    """The request with the protocol in front, asking for one of `scores` and for the probabilities of the tokens."""
    if not _are_scores(scores):
        raise RequestError(f"`scores` must be different whole numbers from 0 on, found {scores!r}.")
    if isinstance(protocol, str):
        text = f"{protocol}\n\nAnswer with one number out of {', '.join(map(str, scores))}, and with nothing else."
        before: list[Message] = [{"role": "system", "content": text}]
    elif isinstance(protocol, list | tuple) and all(isinstance(message, dict) for message in protocol):
        before = [dict(message) for message in protocol]
    else:
        raise RequestError(f"`protocol` must be text or a list of messages, found {type(protocol).__name__}.")
    return {
        "max_tokens": _MOST_TOKENS,
        "temperature": 0,
        **request,
        "messages": [*before, *request.get("messages", ())],
        "logprobs": True,
        "top_logprobs": _TOP,
    }


def _are_scores(scores: Sequence[Any]) -> bool:
    return 0 < len(scores) == len(set(scores)) and all(isinstance(score, int) and score >= 0 for score in scores)


def nlg_score(response: Response, scores: Sequence[int]) -> dict[str, Any]:
    """`score`, `probabilities` by score, and `mass`, the probability that fell on the scores together.

    The score is the mean over the scores that were seen, weighted by probability and divided by the mass. Raises
    AnswerError when none of the scores is among the tokens.
    """
    positions = (response.logprobs or {}).get("content") or []
    texts = {str(score): score for score in scores}
    for number, position in enumerate(positions):
        if any(text.startswith(_shown(position["token"])) for text in texts if _shown(position["token"])):
            found = _probabilities(positions[number:], texts)
            break
    else:
        found = {}
    mass = min(1.0, sum(found.values()))
    if mass <= 0:
        raise AnswerError(
            f"None of the scores {', '.join(texts)} is among the tokens of the answer {response.content!r}.",
            last_text=response.content,
            usage=response.usage,
            response=response,
            attempts=response.retry_stats.attempts,
        )
    score = sum(value * p for value, p in found.items()) / sum(found.values())
    return {"score": score, "probabilities": found, "mass": mass}


def _probabilities(positions: Sequence[Mapping[str, Any]], texts: Mapping[str, int]) -> dict[int, float]:
    """Probability of each score at the first position; a score of several tokens is followed along the answer.

    Where another score begins with a token that may also end here ("1" and "10"), the next position divides its
    probability, if the answer took that road; otherwise it counts for the score that is whole.
    """
    found: dict[int, float] = {}
    taken = _shown(positions[0]["token"])
    for token, probability in _alternatives(positions[0]).items():
        longer = [text for text in texts if text != token and text.startswith(token)]
        if token in texts and not longer:
            found[texts[token]] = found.get(texts[token], 0.0) + probability
        elif longer and token == taken and len(positions) > 1:
            rest = {text.removeprefix(token): value for text, value in texts.items() if text.startswith(token)}
            following = _alternatives(positions[1])
            went_on = 0.0
            for text, value in rest.items():
                if text and text in following:
                    found[value] = found.get(value, 0.0) + probability * following[text]
                    went_on += following[text]
            if "" in rest:
                found[rest[""]] = found.get(rest[""], 0.0) + probability * max(0.0, 1.0 - went_on)
        elif token in texts:
            found[texts[token]] = found.get(texts[token], 0.0) + probability
    return found


def _alternatives(position: Mapping[str, Any]) -> dict[str, float]:
    """Text of a token -> its probability; spellings that differ in white space count together."""
    listed = [*(position.get("top_logprobs") or ())]
    if not any(entry["token"] == position["token"] for entry in listed):
        listed.append(position)
    together: dict[str, float] = {}
    for entry in listed:
        text = _shown(entry["token"])
        if text:
            together[text] = together.get(text, 0.0) + math.exp(min(0.0, entry["logprob"]))
    return together


def _shown(token: str) -> str:
    return token.strip()
