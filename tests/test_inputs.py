"""Rows: what files of each format give, what is wrong with them and where, and that they are read lazily."""

import csv
import importlib.util
import itertools
import json
import os
import sys
import time
import types
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.errors import SpecError
from throughster.inputs import EXTENSIONS, open_rows


@pytest.fixture
def rows_of(tmp_path):
    """Make a source of a file with this text (or these bytes)."""

    def make(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_rows(path, name=name)

    return make


def first_error(source):
    with pytest.raises(SpecError) as caught:
        list(source)
    with pytest.raises(SpecError) as numbered:
        list(source.numbered())
    assert str(caught.value) == str(numbered.value)
    return caught.value.problems[0]


# -- CSV and TSV --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n1,2\n3,4\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ("a,b\n1,2", [{"a": "1", "b": "2"}]),
        ("\ufeffa,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a,b\r1,2\r", [{"a": "1", "b": "2"}]),
        ('a,b\n"x, y","he said ""hi"""\n', [{"a": "x, y", "b": 'he said "hi"'}]),
        ('a,b\n"line 1\nline 2\r\n3",x\n', [{"a": "line 1\nline 2\r\n3", "b": "x"}]),
        ("\n\na\n\n1\n\n\n2\n\n", [{"a": "1"}, {"a": "2"}]),
        ("a,b\n,\n", [{"a": "", "b": ""}]),
        (" First Name , b \n x , y \n", [{"First Name": " x ", "b": " y "}]),
        ("n,t,e\n007,true,1e3\n", [{"n": "007", "t": "true", "e": "1e3"}]),
        ("ä,b\nß,{{ x }}\n", [{"ä": "ß", "b": "{{ x }}"}]),
        ("a\n\u2028x\x0by\x85\n", [{"a": "\u2028x\x0by\x85"}]),
        ("a;b\n1;2\n", [{"a;b": "1;2"}]),
    ],
)
def test_csv_cells_are_the_text_that_stands_there(rows_of, content, rows):
    source = rows_of("a.csv", content)
    assert list(source) == rows
    assert list(source) == rows  # each iteration starts anew
    scan = source.scan()
    assert (scan.count, scan.complete, scan.problems, scan.missing) == (len(rows), True, (), {})
    assert scan.columns == tuple(rows[0])
    assert scan.common == frozenset(rows[0])
    assert source.estimate_total() == len(rows)


def test_tsv_is_divided_by_tabs(rows_of):
    assert list(rows_of("a.TSV", 'a\tb\n1,5\t"x\ty"\n')) == [{"a": "1,5", "b": "x\ty"}]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", 0, "The file is empty."),
        ("\n\n", 0, "The file is empty."),
        ("a,b\n", 0, "There are no rows."),
        ("a,,c\n1,2,3\n", 1, "Column 2 has no name."),
        ("\n\na, \n1,2\n", 3, "Column 2 has no name."),
        ("a,b,a\n1,2,3\n", 1, "Two columns are called `a`."),
        ("a, a\n1,2\n", 1, "Two columns are called `a`."),
        ("a,b\n1,2\n3\n", 3, "This row has 1 of 2 cells: `b` is missing."),
        ("a,b\n1,2,x\n", 2, "This row has 3 cells for 2 columns; the first too many is 'x'."),
        ('a,b\n"x\ny\nz",2\n\n"p\nq"\n', 6, "This row has 1 of 2 cells"),
        ('a,b\n1,2\n3,"x\ny\n', 3, "A quote is opened in this row and never closed."),
        ('a,b\n1,2\n"x"y,2\n', 3, "goes on after its closing quote"),
        ('a,"b\n', 1, "A quote is opened in this row and never closed."),
        (b"a,b\n1,2\n3,caf\xe9\n", 3, "The byte 0xe9 is no UTF-8."),
        ("a,b\n1,2\n".encode("utf-16"), 1, "The file is UTF-16"),
        (b"a,\xff\n1,2\n", 1, "The byte 0xff is no UTF-8."),
    ],
)
def test_csv_problems_have_the_line_where_the_row_starts(rows_of, content, line, message):
    source = rows_of("a.csv", content)
    (problem,) = source.scan().problems
    assert message in problem.message
    assert (problem.file, problem.line) == ("a.csv", line)
    if "no rows" not in message:
        found = first_error(source)
        assert (found.line, found.message) == (line, problem.message)


def test_the_column_of_a_bad_byte_counts_characters(rows_of):
    (problem,) = rows_of("a.csv", "a\nää".encode() + b"\xe9\n").scan().problems
    assert (problem.line, problem.column) == (2, 3)


def test_a_bad_byte_far_into_a_file_is_found_and_the_rows_before_it_are_read(rows_of):
    source = rows_of("a.csv", b"a\n" + b"x\n" * 100_000 + b"\xff\n" + b"x\n" * 10)
    assert source.scan().problems[0].line == 100_002
    assert len(list(itertools.islice(source, 90_000))) == 90_000
    assert first_error(source).line == 100_002


def test_a_scan_reports_every_ragged_row_up_to_a_hundred(rows_of):
    scan = rows_of("a.csv", "a,b\n1\n1,2\n1,2,3\n").scan()
    assert [(problem.line, problem.severity) for problem in scan.problems] == [(2, "error"), (4, "error")]
    assert scan.count == 1
    assert len(rows_of("a.csv", "a,b\n" + "1\n" * 1000).scan().problems) == 100


def test_rows_know_their_lines(rows_of):
    source = rows_of("a.csv", 'a,b\n\n1,2\n"x\ny",3\n\n4,5\n')
    assert [line for line, _row in source.numbered()] == [3, 4, 7]
    assert source.where(7) == "a.csv:7"


def test_a_cell_may_be_large_and_a_quote_that_never_closes_ends(rows_of):
    assert len(next(iter(rows_of("a.csv", 'a\n"' + "x" * 5_000_000 + '"\n')))["a"]) == 5_000_000
    (problem,) = rows_of("a.csv", 'a\nb\n"' + "x" * 11_000_000).scan().problems
    assert (problem.line, problem.message) == (3, "A quote is opened in this row and never closed.")


CELLS = st.text(alphabet='ab ,"\n\r\tä', max_size=5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_what_csv_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y"])
        writer.writerows(rows)
    expected = [{"x": x, "y": y} for x, y in rows]
    source = open_rows(path, name="a.csv")
    assert list(source) == expected
    assert [row for _line, row in source.numbered()] == expected
    assert source.scan().count == len(rows)


def test_a_larger_csv_is_scanned_in_part_and_its_length_guessed(rows_of):
    source = rows_of("a.csv", "a,b\n" + "some text,123\n" * 200_000 + "bad\n")
    scan = source.scan(limit_bytes=500_000)
    assert (scan.count, scan.complete, scan.problems) == (None, False, ())
    assert scan.columns == ("a", "b")
    assert 190_000 < source.estimate_total() < 210_000
    problem = first_error(source)
    assert (problem.file, problem.line) == ("a.csv", 200_002)


def test_csv_reads_about_as_fast_as_the_csv_module(rows_of, tmp_path):
    source = rows_of("a.csv", "id,text,language\n" + '7,"some text, quoted",French\n' * 100_000)

    def plain():
        with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader)
            return sum(1 for cells in reader if dict(zip(header, cells, strict=False)))

    def best(work):
        times = []
        for _ in range(5):
            started = time.process_time()
            assert work() == 100_000
            times.append(time.process_time() - started)
        return min(times)

    baseline = best(plain)
    assert best(lambda: sum(1 for _ in source)) < 2 * baseline
    assert best(lambda: source.scan().count) < 1.5 * baseline


# -- JSON Lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson"])
def test_json_lines_keep_their_values(rows_of, name):
    text = (
        '\ufeff{"a": 1, "b": [true, null]}\n\n  \r\n{"a": 123456789012345678901234567890}\r\n{"a": "ä\\n", "c": 1.10}'
    )
    rows = [{"a": 1, "b": [True, None]}, {"a": 123456789012345678901234567890}, {"a": "ä\n", "c": 1.1}]
    source = rows_of(name, text)
    assert list(source) == rows
    assert [line for line, _row in source.numbered()] == [1, 4, 5]
    scan = source.scan()
    assert scan.columns == ("a", "b", "c")
    assert scan.common == {"a"}
    assert scan.missing == {"b": f"{name}:4", "c": f"{name}:1"}
    assert scan.count == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1]", "this one is a list"),
        (b"3", "this one is a number"),
        (b"null", "this one is null"),
        (b"{", ""),
        (b'{"a": 1, "a": 2}', 'The name "a" stands twice in one object.'),
        (b'{"a": {"b": 1, "b": 2}}', 'The name "b" stands twice'),
        (b'{"a": NaN}', "NaN is no JSON number."),
        (b'{"a": 1e999}', "too great"),
        (b'{"a": 1} {"b": 2}', "after document"),
        (b"{'a': 1}", ""),
        (b'{"a": "\xe9"}', "The byte 0xe9 is no UTF-8."),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "Nested more than 100 levels deep."),
        (b'{"a": ' + b"9" * 5000 + b"}", "more than 4300 digits"),
        (b'{"a": "\\ud800"}', "surrogate"),
    ],
)
def test_json_lines_that_are_no_rows_are_problems_and_the_others_are_still_checked(rows_of, line, message):
    source = rows_of("a.jsonl", b'{"a": 1}\n' + line + b'\n{"a": 2}\n[]\n')
    bad, other = source.scan().problems
    assert (bad.file, bad.line) == ("a.jsonl", 2)
    assert message in bad.message
    assert other.line == 4
    assert first_error(source).line == 2


def test_an_empty_file_has_no_rows(rows_of):
    for name in ("a.jsonl", "a.yaml"):
        assert rows_of(name, "").scan().problems
    assert "There are no rows." in rows_of("a.jsonl", "\n\n").scan().problems[0].message


def test_the_first_row_that_lacks_a_column_is_named(rows_of):
    scan = rows_of("a.jsonl", '{"a": 1}\n{"a": 1}\n{"b": 1}\n{"a": 2}\n').scan()
    assert scan.columns == ("a", "b")
    assert scan.common == frozenset()
    assert scan.missing == {"a": "a.jsonl:3", "b": "a.jsonl:1"}


# -- JSON ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows", "lines"),
    [
        ('[{"a": 1}]', [{"a": 1}], [1]),
        ('\ufeff \n[\n  {"a": 1},\n\n  {"a": [1, {"b": 2}]}\n]\n \n', [{"a": 1}, {"a": [1, {"b": 2}]}], [3, 5]),
        (
            '[{"a":"]},{"},{"a":123456789012345678901234567890}]',
            [{"a": "]},{"}, {"a": 123456789012345678901234567890}],
            [1, 1],
        ),
        ('[{"a": "x\\ny"},\r\n{"a": "ä"}]', [{"a": "x\ny"}, {"a": "ä"}], [1, 2]),
    ],
)
def test_json_lists_keep_their_values_and_know_their_lines(rows_of, text, rows, lines):
    source = rows_of("a.json", text)
    assert list(source) == rows
    assert [line for line, _row in source.numbered()] == lines
    assert source.scan().count == len(rows)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "The file is empty."),
        ('{"a": 1}', 1, "The file holds no list of rows"),
        ("3", 1, "The file holds no list of rows"),
        ("[]", 0, "There are no rows."),
        ('[{"a": 1},\n 3]', 2, "this one is a number"),
        ('[{"a": 1},\n {"a": 1, "a": 2}]', 2, 'The name "a" stands twice'),
        ('[{"a": 1},\n {"a": NaN}]', 2, "NaN is no JSON number"),
        ('[{"a": 1}\n {"a": 2}]', 2, "A comma, or the list's end, should stand here; found '{'."),
        ('[{"a": 1},\n]', 2, "Expecting value"),
        ('[{"a": 1}', 1, "found the file's end"),
        ('[{"a": 1}]\n]', 2, "There is more after the list's end."),
        ('[{"a": 1},\n{"a": "x', 2, "Unterminated string"),
        ('[{"a": 1},\n{"a": tru}]', 2, "Expecting value"),
        ("[" + "[" * 100_000, 1, "nested too deeply"),
        ('[{"a": ' + "9" * 5000 + "}]", 1, "4300 digits"),
        (b'[{"a": 1},\n{"a": "\xe9"}]', 2, "no UTF-8"),
    ],
)
def test_json_problems_have_their_line(rows_of, text, line, message):
    source = rows_of("a.json", text)
    problem = source.scan().problems[0]
    assert message in problem.message
    assert (problem.file, problem.line) == ("a.json", line)


def test_json_lines_in_a_json_file_get_a_hint(rows_of):
    (problem,) = rows_of("a.json", '{"a": 1}\n{"a": 2}\n').scan().problems
    assert ".jsonl" in problem.hint


OBJECTS = st.dictionaries(
    st.text(max_size=4),
    st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda x: st.lists(x, max_size=3), max_leaves=6),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(OBJECTS, min_size=1, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_json_read_in_pieces_of_any_size_gives_the_same_rows(tmp_path_factory, rows, size, indent):
    import throughster.inputs.jsonrows as jsonrows

    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    whole = jsonrows._CHUNK
    jsonrows._CHUNK = size
    try:
        assert list(open_rows(path, name="a.json")) == rows
    finally:
        jsonrows._CHUNK = whole


# -- laziness -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "row", "tail"),
    [
        ("a.csv", "a,b\n", "some text,123\n", ""),
        ("a.jsonl", "", '{"a": "some text", "b": 123}\n', ""),
        ("a.json", '[{"a": "first", "b": 0}\n', ', {"a": "some text", "b": 123}\n', "]"),
    ],
)
def test_the_first_rows_of_a_large_file_are_there_before_the_rest_is_read(rows_of, tmp_path, name, head, row, tail):
    source = rows_of(name, head + row * 1_000_000 + tail)
    size = (tmp_path / name).stat().st_size
    read = _bytes_read_by(lambda: list(itertools.islice(source, 10)))
    assert read < 2_000_000 < size
    read = _bytes_read_by(lambda: source.scan(limit_bytes=1_000_000))
    assert read < 3_000_000
    assert 700_000 < source.estimate_total() < 1_300_000  # what is read ahead counts as read


def _bytes_read_by(work):
    def so_far():
        return int(next(line for line in counters.read_text().splitlines() if line.startswith("rchar")).split()[1])

    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("needs /proc")
    before = so_far()
    work()
    return so_far() - before


def test_a_row_beyond_the_scan_that_is_wrong_raises_with_its_place(rows_of):
    for name, text, line in (
        ("a.jsonl", '{"a": 1}\n' * 5000 + "[]\n", 5001),
        ("a.json", "[" + '{"a": 1},\n' * 5000 + "3]", 5001),
    ):
        source = rows_of(name, text)
        scan = source.scan(limit_bytes=1000)
        assert (scan.count, scan.complete, scan.problems) == (None, False, ())
        rows = iter(source)
        assert len(list(itertools.islice(rows, 5000))) == 5000
        with pytest.raises(SpecError) as caught:
            next(rows)
        assert (caught.value.problems[0].file, caught.value.problems[0].line) == (name, line)


def test_memory_does_not_grow_with_the_file(rows_of, tmp_path):
    import tracemalloc

    source = rows_of("a.json", "[" + ",".join(['{"a": "' + "x" * 1000 + '"}'] * 20_000) + "]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# -- YAML, lists, Parquet -----------------------------------------------------------------------------------------------


def test_yaml_rows_keep_the_text_of_their_author(rows_of):
    source = rows_of("a.yaml", "# rows\n- a: NO\n  b: 010\n  c: 1.10\n- a: true\n  b: 7\n  d: [1.50, x]\n")
    assert list(source) == [{"a": "NO", "b": "010", "c": "1.10"}, {"a": True, "b": 7, "d": ["1.50", "x"]}]
    assert [line for line, _row in source.numbered()] == [2, 5]
    scan = source.scan()
    assert (scan.count, scan.common) == (2, {"a", "b"})
    assert scan.missing == {"c": "a.yaml:5", "d": "a.yaml:2"}


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\n", 1), ("- a: 1\n- 3\n", 2), ("- a: 1\n  a: 2\n", 2), ("- a: [\n", 2), ("- a: !!python/object x\n", 1)],
)
def test_yaml_problems_have_their_line(rows_of, text, line):
    problems = rows_of("a.yml", text).scan().problems
    assert problems
    assert problems[0].file == "a.yml"
    assert line - 1 <= problems[0].line <= line


def test_lists_are_rows_and_stay_as_they_are():
    rows = [{"a": 1}, types.MappingProxyType({"a": 2, "b": 3})]
    source = open_rows(rows, name="spec.yaml")
    assert list(source) == [{"a": 1}, {"a": 2, "b": 3}]
    assert source.estimate_total() == 2
    scan = source.scan()
    assert (scan.columns, scan.common, scan.count) == (("a", "b"), {"a"}, 2)
    assert scan.missing == {"b": "spec.yaml, row 1"}
    assert rows == [{"a": 1}, {"a": 2, "b": 3}]
    assert open_rows([], name="x").scan().problems[0].message == "There are no rows."
    for bad in ([3], [{1: 2}], [None]):
        assert "Row 1 is no mapping" in open_rows(bad, name="x").scan().problems[0].message
    assert list(open_rows([{}], name="x")) == [{}]


def test_parquet_without_pyarrow_says_how_to_install_it(rows_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(SpecError) as caught:
        rows_of("a.parquet", b"PAR1")
    assert caught.value.problems[0].hint == "Install it: pip install 'throughster[parquet]'"


class _FakeParquet:
    """Stands in for pyarrow.parquet where it is not installed: the few names that are used of it."""

    rows: ClassVar = [
        {
            "a": 1,
            "when": datetime(2024, 2, 29, 12, tzinfo=UTC),
            "d": date(2024, 2, 29),
            "n": Decimal("1.10"),
            "b": b"x",
        },
        {"a": None, "when": None, "d": None, "n": None, "b": None},
        {"a": [1, {"t": timedelta(seconds=1)}], "when": None, "d": None, "n": None, "b": None},
    ]

    class ParquetFile:
        def __init__(self, path):
            rows = _FakeParquet.rows
            self.schema_arrow = types.SimpleNamespace(names=list(rows[0]))
            self.metadata = types.SimpleNamespace(num_rows=len(rows))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def iter_batches(self, batch_size):
            yield types.SimpleNamespace(to_pylist=lambda: _FakeParquet.rows)


def test_parquet_values_become_what_a_prompt_can_show(rows_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", types.ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", _FakeParquet)
    source = rows_of("a.parquet", b"PAR1")
    first, second, third = source
    assert first == {"a": 1, "when": "2024-02-29T12:00:00+00:00", "d": "2024-02-29", "n": "1.10", "b": "x"}
    assert set(second.values()) == {None}
    assert third["a"] == [1, {"t": "0:00:01"}]
    assert source.scan().count == 3
    monkeypatch.setattr(_FakeParquet, "rows", [{"a": b"\xff"}, {"a": object()}])
    assert [p.message for p in source.scan().problems] == [
        "Row 1 holds bytes that are no text.",
        "Row 2 holds a object, which no prompt can show.",
    ]


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is an extra")
def test_real_parquet_files_are_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    table = pa.table({"a": [1, 2, None], "when": [date(2024, 2, 29)] * 3, "t": ["x", "y", "z"]})
    pa.parquet.write_table(table, path)
    source = open_rows(path, name="a.parquet")
    assert next(iter(source)) == {"a": 1, "when": "2024-02-29", "t": "x"}
    assert source.scan().count == 3
    path.write_bytes(b"PAR1 and no more")
    assert "no Parquet" in source.scan().problems[0].message


# -- opening ------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_opened_is_one_plain_problem(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "a.txt").write_text("a")
    for name, message in {
        "missing.csv": "The file does not exist.",
        "folder.csv": "The file is a folder.",
        "pipe.csv": "The file is no regular file.",
        "a.txt": "not from `.txt` files",
        "a.cvs": "not from `.cvs` files",
        "noextension": "not from `` files",
    }.items():
        with pytest.raises(SpecError) as caught:
            open_rows(tmp_path / name, name=name)
        (problem,) = caught.value.problems
        assert problem.file == name
        assert message in problem.message
        if "not from" in message:
            assert all(extension in problem.message for extension in EXTENSIONS)
    with pytest.raises(SpecError, match=r"Did you mean `\.csv`"):
        open_rows(tmp_path / "a.cvs", name="a.cvs")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.yaml"])
def test_a_file_that_vanished_is_a_problem_rather_than_a_crash(rows_of, tmp_path, name):
    source = rows_of(name, '[{"a": 1}]')
    (tmp_path / name).unlink()
    assert "cannot be read" in source.scan().problems[0].message
    assert "cannot be read" in first_error(source).message
