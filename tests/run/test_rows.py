from __future__ import annotations

import pytest

from throughster.errors import SpecError
from throughster.inputs import open_rows
from throughster.running.hashes import HashSet
from throughster.running.rows import Choice, RowIds, Rows, content_hash
from throughster.running.values import Types, convert
from throughster.spec.model import InputSpec


def rows(data=({"text": "a"}, {"text": "b"}), **options):
    given = {"under": {}, "matrix": {}, "over": {}, "choice": Choice(), "data_count": len(data), **options}
    return Rows(open_rows(list(data), name="rows"), **given)


def test_rows_are_the_product_of_data_and_matrix_in_order():
    made = list(rows(matrix={"language": ["fr", "it"], "tone": [1]}))
    assert [(r.index, r.vars) for r in made] == [
        (0, {"text": "a", "language": "fr", "tone": 1}),
        (1, {"text": "a", "language": "it", "tone": 1}),
        (2, {"text": "b", "language": "fr", "tone": 1}),
        (3, {"text": "b", "language": "it", "tone": 1}),
    ]


def test_later_layers_win():
    (row,) = rows(
        [{"x": "data", "y": "data"}], under={"x": "vars", "z": "vars"}, matrix={"y": ["matrix"]}, over={"z": "--var"}
    )
    assert row.vars == {"x": "data", "y": "matrix", "z": "--var"}
    (row,) = rows([{}], matrix={"y": ["matrix"]}, over={"y": "--var"})
    assert row.vars == {"y": "--var"}


def test_ids_come_from_content_not_from_place():
    forward = {r.vars["text"]: r.id for r in rows()}
    backward = {r.vars["text"]: r.id for r in rows([{"text": "b"}, {"text": "a"}])}
    assert forward == backward
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1}) != content_hash({"a": "1", "b": 2})


def test_equal_rows_get_a_number():
    ids = [r.id for r in rows([{"text": "a"}] * 3)]
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]


def test_many_ids_are_all_different_and_again_are_told():
    ids = RowIds()
    first = [ids.add(content_hash({"n": n})) for n in range(5000)]
    assert len(set(first)) == 5000
    assert [ids.add(content_hash({"n": n})) for n in range(5000)] == [f"{id_}-2" for id_ in first]


def test_values_that_json_libraries_dislike_have_ids_too():
    assert content_hash({"n": 2**80, "s": "\ud800"})


def chosen(**choice):
    data = [{"n": str(n)} for n in range(10)]
    return [r.vars["n"] for r in rows(data, choice=Choice(**choice))]


def test_choosing_rows():
    assert chosen(limit=3) == ["0", "1", "2"]
    assert chosen(patterns=("n=[37]",)) == ["3", "7"]
    assert chosen(patterns=("n=3", "n=9"), limit=1) == ["3"]
    assert len(chosen(sample=4)) == 4
    assert chosen(sample=4, seed=1) == chosen(sample=4, seed=1) != chosen(sample=4, seed=2)
    assert chosen(sample=99) == [str(n) for n in range(10)]
    some_id = next(iter(rows([{"n": "4"}]))).id
    assert chosen(patterns=(some_id[:6] + "*",)) == ["4"]


def test_totals():
    assert rows(matrix={"m": [1, 2]}).total == 4
    assert rows(choice=Choice(limit=1)).total == 1
    assert rows(choice=Choice(patterns=("x",))).total is None
    assert rows(data_count=None).total is None


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [("5", "integer", 5), (" -7 ", "integer", -7), ("1.5", "number", 1.5), ("3", "number", 3), ("true", "boolean", True),
     ("[1]", "array", [1]), ('{"a": 1}', "object", {"a": 1}), ("x", "string", "x"), (5, "integer", 5), (False, "boolean", False)],
)  # fmt: skip
def test_declared_types(value, kind, expected):
    assert convert(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "integer"),
        ("1.5", "integer"),
        ("nan", "number"),
        ("inf", "number"),
        ("yes", "boolean"),
        ("1", "array"),
        (True, "integer"),
        (1, "boolean"),
        (5, "string"),
    ],
)
def test_what_is_no_such_type(value, kind):
    with pytest.raises(ValueError):
        convert(value, kind)


def test_declared_types_hold_for_every_layer():
    types = Types({"n": InputSpec(type="integer")})
    assert [r.vars["n"] for r in rows([{"n": "1"}, {"n": "2"}], types=types)] == [1, 2]
    assert [r.vars["n"] for r in rows([{"n": "1"}], over={"n": "7"}, types=types)] == [7]
    assert [r.vars["n"] for r in rows([{}], under={"n": "3"}, types=types)] == [3]


def test_a_wrong_value_names_its_place_and_what_was_found():
    data = rows([{"n": "1"}, {"n": "many"}], types=Types({"n": InputSpec(type="integer")}))
    with pytest.raises(SpecError, match=r"rows, row 2: `n` must be a whole number \(see `inputs`\), found `many`"):
        list(data)


def test_a_guess_of_very_many_rows_takes_little_memory_at_once():
    seen = HashSet(10**12)
    assert len(seen._table) * seen._table.itemsize < 20_000_000
    assert seen.add(5)
    assert not seen.add(5)
