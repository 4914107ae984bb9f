"""Every spec of this project runs, and its generated schemas are current."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from throughster.running.events import RowFinished
from throughster.running.launch import Outputs, execute
from throughster.running.plan import Options, prepare
from throughster.running.result import result_json_schema
from throughster.spec import spec_json_schema
from throughster.spec.find import find_specs

ROOT = Path(__file__).parents[1]
SPECS = find_specs([str(ROOT / "specs")])
ROWS = {"classify": 4, "extract": 3, "greet": 2, "summarize": 2, "translate": 18}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_runs_and_every_answer_is_valid(path, tmp_path):
    (plan,), problems = prepare([path], (), Options())
    assert problems == []
    results = []

    def listen(event):
        if isinstance(event, RowFinished):
            results.append(event.result)

    (summary,) = asyncio.run(execute([plan], Outputs((tmp_path / "o.jsonl",)), listen))
    assert summary.statuses == {"ok": ROWS[plan.name]}
    written = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert len(written) == len(results) == ROWS[plan.name]
    for line in written:
        assert "Canned answer" not in line["text"], "the demo's answers are written by hand"
        if plan.schema is not None:
            jsonschema.validate(line["output"], plan.schema.schema)


def test_every_spec_is_known_to_this_test():
    assert {path.stem for path in SPECS} == set(ROWS)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_editors_accept_the_specs(path):
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), spec_json_schema())
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=../schemas/spec.schema.json\n")


@pytest.mark.parametrize(("name", "made"), [("spec", spec_json_schema), ("result", result_json_schema)])
def test_generated_schemas_are_current(name, made):
    kept = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    assert kept == json.loads(json.dumps(made())), "run `make schemas`"
    jsonschema.Draft202012Validator.check_schema(kept)
