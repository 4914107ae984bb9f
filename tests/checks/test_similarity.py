"""Checks of likeness, held against the definitions of their measures."""

import asyncio
import builtins
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checks.making import (
    Judge,
    assert_cannot_be_evaluated,
    compiled,
    issue_of,
    judged,
    negated,
    passes,
    result_of,
)

from throughster.checks import Answer, JudgeError


def distance(first, second):
    """The definition: the dynamic programme of Wagner and Fischer."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        row, last = [i], row
        for j, b in enumerate(second, 1):
            row.append(min(row[-1] + 1, last[j] + 1, last[j - 1] + (a != b)))
    return row[-1]


@settings(deadline=None)
@given(st.text("abé"), st.text("abé", min_size=1), st.integers(0, 6))
def test_levenshtein_is_the_number_of_changes(text, reference, most):
    found = result_of({"type": "levenshtein", "value": reference, "threshold": most}, text)
    assert found.passed is (distance(text, reference) <= most)
    assert found.score == float(found.passed)


def test_levenshtein_says_the_distance():
    found = result_of({"type": "levenshtein", "value": "kitten", "threshold": 2}, " sitting\n")
    assert (found.passed, found.reason) == (False, "levenshtein: distance 3 is more than 2")


def rouge_l(text, reference):
    """F-measure of the longest common subsequence of words (Lin 2004, section 3)."""
    x, y = text.split(), reference.split()
    table = [[0] * (len(y) + 1) for _ in range(len(x) + 1)]
    for i, a in enumerate(x, 1):
        for j, b in enumerate(y, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    common = table[-1][-1]
    return 0.0 if not common else 2 * common / (len(x) + len(y))


@settings(deadline=None)
@given(*[st.lists(st.sampled_from(["the", "cat", "sat", "été", "on"]), min_size=1, max_size=8).map(" ".join)] * 2)
def test_rouge_is_the_f_measure_of_the_longest_common_subsequence(text, reference):
    found = result_of({"type": "rouge", "value": reference, "threshold": 0.5}, text.upper())
    assert found.score == pytest.approx(rouge_l(text, reference))
    assert found.passed is (found.score >= 0.5)


def test_rouge_knows_words_of_every_script():
    entry = {"type": "rouge", "value": "猫坐在垫子上", "threshold": 0.99}
    assert passes(entry, "猫坐在垫子上。")
    assert not passes(entry, "狗在跑")
    assert "words in it" in issue_of({**entry, "value": "!?"}).message


def test_bleu_of_one_sentence():
    """Brevity penalty exp(1 - 6/5) and precisions 5/5, 4/4, 3/3, 2/2: Papineni 2002, section 2.3."""
    entry = {"type": "bleu", "value": "the cat sat on the mat", "threshold": 0.8}
    assert result_of(entry, "the cat sat on the").score == pytest.approx(math.exp(1 - 6 / 5))
    assert result_of(entry, "the cat sat on the mat").score == 1.0
    assert result_of(entry, "").score == 0.0
    assert passes(entry, "the cat sat on the")
    assert not passes({**entry, "threshold": 0.9}, "the cat sat on the")
    assert passes(negated({**entry, "threshold": 0.9}), "the cat sat on the")


@pytest.mark.parametrize("kind", ["levenshtein", "rouge", "bleu"])
def test_what_cannot_be_compared(kind):
    entry = {"type": kind, "value": "a", "threshold": 0.5}
    assert_cannot_be_evaluated({**entry, "path": "$.b"}, '{"a": 1}', "leads to nothing")
    assert_cannot_be_evaluated(entry, "a " * 60_000, "at most 100,000 are compared")


def test_texts_whose_comparison_would_take_minutes_are_not_compared():
    entry = {"type": "rouge", "value": "a " * 5_000, "threshold": 0.5}
    assert_cannot_be_evaluated(entry, "a " * 5_000, "5,000 words and 5,000 of the reference are too many to compare")
    assert passes({**entry, "value": "a " * 50}, "a " * 50)


@pytest.mark.parametrize("kind", ["levenshtein", "rouge", "bleu", "similar"])
def test_the_threshold_and_the_reference_are_needed(kind):
    assert f"`{kind}` needs a `threshold`" in issue_of({"type": kind, "value": "a"}).message
    assert f"`{kind}` needs a `value`" in issue_of({"type": kind, "threshold": 0.5}).message
    assert issue_of({"type": kind, "value": "", "threshold": 0.5}).at == (0, "value")
    assert issue_of({"type": kind, "value": ["a"], "threshold": 0.5}).at == (0, "value")
    assert issue_of({"type": kind, "value": "a", "threshold": -0.1}).at == (0, "threshold")
    if kind != "levenshtein":
        assert issue_of({"type": kind, "value": "a", "threshold": 80}).at == (0, "threshold")


@pytest.mark.parametrize(("kind", "module"), [("rouge", "rouge_score"), ("bleu", "sacrebleu")])
@pytest.mark.parametrize("value", ["a", "{{ reference }}"])
def test_a_library_that_is_not_installed_is_told_before_anything_is_asked(kind, module, value, monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith(module):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    issue = issue_of({"type": kind, "value": value, "threshold": 0.5})
    assert issue.at == (0, "type")
    assert "throughster[similarity]" in issue.hint


# -- embeddings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "score"),
    [(([1, 0], [1, 0]), 1.0), (([1, 0], [1, 1]), math.sqrt(0.5)), (([1, 0], [0, 1]), 0.0), (([1, 0], [-1, 0]), 0.0)],
)
def test_similar_is_the_cosine_of_the_embeddings(vectors, score):
    judge = Judge(embeddings=vectors)
    found = judged(
        {"type": "similar", "value": "hello {{ name }}", "threshold": 0.7}, Answer("hi", vars={"name": "Ann"}), judge
    )
    assert found.score == pytest.approx(score)
    assert found.passed is (score >= 0.7)
    assert judge.asked == [("hi", "hello Ann")]
    other = judged({"type": "not-similar", "value": "hello", "threshold": 0.7}, "hi", judge)
    assert other.passed is not found.passed


@pytest.mark.parametrize("vectors", [([0, 0], [1, 0]), ([1], [1, 0]), ([1, 0],), ([float("nan")], [1.0])])
def test_embeddings_that_cannot_be_compared_are_the_judges_failure(vectors):
    with pytest.raises(JudgeError, match="similar"):
        judged({"type": "similar", "value": "a", "threshold": 0.7}, "hi", Judge(embeddings=vectors))


def test_an_empty_answer_has_no_embedding():
    (check,) = compiled({"type": "not-similar", "value": "a", "threshold": 0.7})
    found = asyncio.run(check.judge(Answer(" "), Judge()))
    assert not found.passed
    assert "no text" in found.reason


def test_similar_needs_embeddings():
    (check,) = compiled({"type": "similar", "value": "a", "threshold": 0.7})
    assert check.needs == {"embeddings"}
    with pytest.raises(TypeError, match="await `judge`"):
        check.run(Answer("a"))
