"""Halves of characters: joined where both are there, U+FFFD where one is missing."""

from __future__ import annotations

import json

import pytest

from throughster.characters import cut_off, mended, whole


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("plain", "plain"),
        ("Grüße 🎉", "Grüße 🎉"),
        ("a\ud83c\udf89b", "a🎉b"),
        ("a\ud83cb", "a\ufffdb"),
        ("a\udf89b\ud83c", "a\ufffdb\ufffd"),
        ("\udf89\ud83c", "\ufffd\ufffd"),
        (b"x\xf0\x9f\x8e\x89y".decode("ascii", "surrogateescape"), "x🎉y"),
        (b"x\xf0\x9f".decode("utf-8", "surrogateescape"), "x\ufffd"),
        (b"\xff\xc3\xa9".decode("utf-8", "surrogateescape"), "\ufffdé"),
    ],
)
def test_a_text_is_whole(text, right):
    assert whole(text) == right
    right.encode()


@pytest.mark.parametrize(
    ("data", "known", "half"),
    [
        ("ok \ud83c", "ok ", "\ud83c"),
        ("ok \ud83c\udf89", "ok 🎉", ""),
        ("\ud83c ok", "\ufffd ok", ""),
        (b"ok \xf0\x9f\x8e".decode("utf-8", "surrogateescape"), "ok ", "\udcf0\udc9f\udc8e"),
        (b"ok \xe2\x82".decode("utf-8", "surrogateescape"), "ok ", "\udce2\udc82"),
        (b"ok \x80".decode("utf-8", "surrogateescape"), "ok \ufffd", ""),
        ("ok\n", "ok\n", ""),
    ],
)
def test_a_half_at_the_end_may_still_become_whole(data, known, half):
    assert cut_off(data) == (known, half)


def test_every_text_of_a_value_is_whole():
    value = {"\ud83d": ["\ud83d", {"a": "b\udf89", "n": 1.5}], "z": None}
    assert mended(value) == {"\ufffd": ["\ufffd", {"a": "b\ufffd", "n": 1.5}], "z": None}
    json.dumps(mended(value), ensure_ascii=False).encode()
