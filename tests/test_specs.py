"""Every spec of this project runs, and its generated schemas are current."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from junitparser import JUnitXml

from throughster.cli.run import run as run_command
from throughster.running.events import RowFinished
from throughster.running.launch import execute
from throughster.running.outputs import Outputs
from throughster.running.plan import Options, prepare
from throughster.running.result import result_json_schema
from throughster.spec import spec_json_schema
from throughster.spec.find import find_specs

ROOT = Path(__file__).parents[1]
SPECS = find_specs([str(ROOT / "specs")])
ROWS = {"classify": 4, "extract": 3, "greet": 2, "summarize": 2, "translate": 18, "triage": 6}


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


def test_the_demo_suite_is_replayed_as_ci_does(tmp_path):
    """The recordings of examples/ci: no key, no connection, and the reports that a CI system reads."""
    program = [sys.executable, "-m", "throughster", "run", "specs/triage.yaml", "--replay", "examples/ci/cassettes"]
    files = [tmp_path / "junit.xml", tmp_path / "summary.md", tmp_path / "out.jsonl"]
    done = subprocess.run(
        [*program, *(part for file in files for part in ("-o", file))],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 tests: 3 pass" in done.stdout
    assert "gate met: tag:smoke: 2 of 2 cases passed" in done.stdout
    (suite,) = JUnitXml.fromfile(str(files[0]))
    assert (suite.tests, suite.failures, suite.errors) == (3, 0, 0)


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_ci_files_name_what_is_there(name):
    text = (ROOT / "examples" / "ci" / name).read_text("utf-8")
    assert yaml.safe_load(text)
    options = {frozenset(option.opts) for option in run_command.params}
    for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", text):
        if option != "-m":
            assert any(option in names for names in options), option
    assert (ROOT / "specs" / "triage.yaml").exists()
    assert (ROOT / "examples" / "ci" / "cassettes" / "triage").is_dir()


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
