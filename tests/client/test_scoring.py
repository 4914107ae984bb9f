"""Probability-weighted scores."""

from __future__ import annotations

import asyncio
import math

import pytest

from throughster import errors
from throughster.client import AzureInterface, OpenAiInterface, VllmInterface
from throughster.client.scoring import nlg_score, scored_request
from throughster.emulator import Emulator, Options
from throughster.types import Response

ASK = {"messages": [{"role": "user", "content": "The text to judge."}]}


def position(token, **top):
    return {
        "token": token,
        "logprob": math.log(top[token]) if token in top else -9999.0,
        "top_logprobs": [{"token": t, "logprob": math.log(p)} for t, p in top.items()],
    }


def response(*positions):
    return Response("".join(p["token"] for p in positions), logprobs={"content": list(positions)})


def test_the_score_is_the_mean_under_the_models_probabilities():
    found = nlg_score(response(position("4", **{"4": 0.6, "5": 0.3, "3": 0.1})), [1, 2, 3, 4, 5])
    assert found["score"] == pytest.approx(4.2)
    assert found["mass"] == pytest.approx(1.0)


def test_mass_that_fell_elsewhere_is_reported_not_spread():
    found = nlg_score(response(position("4", **{"4": 0.4, "5": 0.1, "Good": 0.5})), [1, 2, 3, 4, 5])
    assert found["score"] == pytest.approx(4.2)
    assert found["mass"] == pytest.approx(0.5)
    assert set(found["probabilities"]) == {4, 5}


def test_spellings_of_a_digit_count_together():
    found = nlg_score(response(position(" 4", **{" 4": 0.5, "4": 0.25, "5": 0.25})), [4, 5])
    assert found["probabilities"] == {4: pytest.approx(0.75), 5: pytest.approx(0.25)}


def test_words_before_the_score_are_passed_over():
    found = nlg_score(
        response(position("Score", Score=1.0), position(":", **{":": 1.0}), position("2", **{"2": 1.0})), [1, 2]
    )
    assert found["score"] == pytest.approx(2.0)


def test_a_score_of_two_tokens_is_followed():
    both = response(position("1", **{"1": 0.8, "9": 0.2}), position("0", **{"0": 0.75, "!": 0.25}))
    found = nlg_score(both, list(range(1, 11)))
    assert found["probabilities"] == {10: pytest.approx(0.6), 1: pytest.approx(0.2), 9: pytest.approx(0.2)}


def test_no_score_at_all_is_an_error():
    with pytest.raises(errors.AnswerError, match="None of the scores"):
        nlg_score(response(position("Good", Good=1.0)), [1, 2])


def test_the_request_asks_for_probabilities_and_keeps_what_was_set():
    made = scored_request({**ASK, "temperature": 0.7}, "Judge it.", [1, 10])
    assert (made["logprobs"], made["top_logprobs"], made["temperature"], made["max_tokens"]) == (True, 20, 0.7, 16)
    assert made["messages"][0]["content"].startswith("Judge it.\n\nAnswer with one number out of 1, 10")
    assert made["messages"][1] == ASK["messages"][0]


@pytest.mark.parametrize("scores", [[], [1, 1], [-1]])
def test_scores_must_make_sense(scores):
    with pytest.raises(errors.RequestError):
        scored_request(ASK, "x", scores)


@pytest.mark.parametrize("version", ["0.10.2", "0.33.0"])
def test_vllm_is_held_to_the_scores(version):
    bodies = []

    async def scenario():
        options = Options(dialect="vllm", vllm_version=version, request_log=lambda request: bodies.append(request.body))
        async with Emulator(options) as server, VllmInterface(api_base=server.api_base, model_name="m") as client:
            return await client.nlg_evaluation(ASK, "Judge it.", scores=[1, 2, 3])

    answer, score = asyncio.run(scenario())
    assert 1 <= score <= 3
    assert answer.content in {"1", "2", "3"}
    assert 0 < answer.validated_schema["mass"] <= 1 + 1e-9
    assert ("guided_choice" in bodies[-1]) is (version == "0.10.2")


@pytest.mark.parametrize(("cls", "dialect"), [(OpenAiInterface, "openai"), (AzureInterface, "azure")])
def test_openai_and_azure_by_their_probabilities(cls, dialect):
    async def scenario():
        from throughster.emulator.answers import Answers, Entry

        answers = Answers.of([Entry(("Judge it",), "3")])
        async with Emulator(Options(dialect=dialect, answers=answers)) as server:
            async with cls(api_base=server.api_base, api_key="k", model_name="m") as client:
                return await client.nlg_evaluation(ASK, "Judge it.")

    answer, score = asyncio.run(scenario())
    assert answer.content == "3"
    assert 1 <= score <= 5
