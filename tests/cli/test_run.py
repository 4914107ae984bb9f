"""`throughster run`: rows in, results on disk, exit codes."""

from __future__ import annotations

import csv
import json
import re
import signal
import time
from pathlib import Path

import jsonschema
import pytest

from throughster._version import __version__

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "result.schema.json").read_text("utf-8"))


def test_a_run_writes_a_journal_and_shows_its_rows(command, spec, results, here):
    outcome = command("run", spec())
    assert outcome.code == 0, outcome.err
    (journal,) = here.glob("runs/demo/*/results.jsonl")
    lines = results(journal)
    assert sorted(line["row"] for line in lines) == [0, 1, 2]
    assert {line["status"] for line in lines} == {"ok"}
    assert all(word in outcome.out for word in ("hi", "ho", "hu"))
    assert "the answers are canned" in outcome.err
    for line in lines:
        jsonschema.validate(line, SCHEMA)


def test_two_runs_in_one_second_get_folders_of_their_own(command, spec, here):
    spec()
    assert [command("run", "spec.yaml").code for _ in range(2)] == [0, 0]
    assert len(list(here.glob("runs/demo/*/results.jsonl"))) == 2


def test_o_names_the_journal_and_reports(command, spec, results, here):
    outcome = command("run", spec(), "-o", "out.jsonl", "-o", "out.csv")
    assert outcome.code == 0
    assert len(results("out.jsonl")) == 3
    with open("out.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["word"] for row in table] == ["hi", "ho", "hu"]
    assert table[0]["output"].startswith("Canned answer")
    assert not (here / "runs").exists()


def test_results_are_never_overwritten(command, spec):
    spec()
    Path("out.jsonl").write_text("precious")
    outcome = command("run", "spec.yaml", "-o", "out.jsonl")
    assert (outcome.code, Path("out.jsonl").read_text()) == (2, "precious")
    assert "exists already" in outcome.err


@pytest.mark.parametrize("name", ["out.txt", "missing/out.jsonl", "out"])
def test_outputs_that_cannot_be_written_are_told_first(command, spec, name):
    outcome = command("run", spec(), "-o", name)
    assert outcome.code == 2
    assert name in outcome.err


def test_spec_outputs_land_in_the_run_folder(command, spec, here):
    text = "version: 1\nname: o\nprovider: offline\nprompt: hi\noutputs: [results.jsonl, table.csv]\n"
    assert command("run", spec(text)).code == 0
    assert len(list(here.glob("runs/o/*/table.csv"))) == 1


def test_formulas_in_csv_are_defused(command, spec):
    command(
        "run", spec("version: 1\nprovider: offline\nprompt: '{{ x }}'\ndata: [{x: '=1+1'}, {x: '-5'}]\n"), "-o", "o.csv"
    )
    with open("o.csv", newline="", encoding="utf-8") as file:
        assert [row["x"] for row in csv.DictReader(file)] == ["'=1+1", "'-5"]


def test_choosing_rows(command, spec, results):
    spec()
    assert command("run", "spec.yaml", "--limit", "2", "-o", "a.jsonl").code == 0
    assert command("run", "spec.yaml", "--filter", "word=h[ou]", "-o", "b.jsonl").code == 0
    assert command("run", "spec.yaml", "--sample", "1", "--seed", "3", "-o", "c.jsonl").code == 0
    assert [len(results(name)) for name in ("a.jsonl", "b.jsonl", "c.jsonl")] == [2, 2, 1]
    nothing = command("run", "spec.yaml", "--filter", "word=zebra")
    assert (nothing.code, "no row fits" in nothing.err) == (2, True)


def test_tags_choose_specs(command, spec, here):
    spec("version: 1\nname: a\ntags: [slow]\nprovider: offline\nprompt: x\n", "specs/a.yaml")
    spec("version: 1\nname: b\nprovider: offline\nprompt: x\n", "specs/b.yaml")
    assert command("run", "specs", "--filter", "tag:slow").code == 0
    assert [p.name for p in here.glob("runs/*")] == ["a"]
    assert command("run", "specs", "--filter", "tag:fast").code == 2


def test_other_data_and_variables(command, spec, results):
    spec()
    Path("other.csv").write_text("word\nhey\n")
    assert command("run", "spec.yaml", "--data", "other.csv", "-o", "a.jsonl").code == 0
    assert [line["vars"] for line in results("a.jsonl")] == [{"word": "hey"}]
    assert command("run", "spec.yaml", "--var", "word=ha", "--limit", "1", "-o", "b.jsonl").code == 0
    assert [line["vars"] for line in results("b.jsonl")] == [{"word": "ha"}]
    unknown = command("run", "spec.yaml", "--var", "wrod=x")
    assert (unknown.code, "Did you mean `word`" in unknown.err) == (2, True)


def test_repeats_and_several_providers(command, spec, results):
    text = "version: 1\nproviders: [{name: offline, label: one}, {name: offline, label: two}]\nprompt: hi\n"
    assert command("run", spec(text), "--repeat", "3", "-o", "o.jsonl").code == 0
    lines = results("o.jsonl")
    assert sorted((line["label"], line["repeat"]) for line in lines) == [
        (a, b) for a in ("one", "two") for b in range(3)
    ]
    assert len({(line["id"], line["label"], line["repeat"]) for line in lines}) == 6


def test_json_on_the_screen(command, spec):
    *lines, summary = command("run", spec(), "--format", "json").lines
    assert len(lines) == 3
    assert summary["summary"]["statuses"] == {"ok": 3}


def test_quiet_says_nothing_when_all_is_well(command, spec):
    outcome = command("run", spec(), "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_check_and_dry_run_send_nothing_and_write_nothing(command, spec, here):
    spec()
    assert command("run", "spec.yaml", "--check").out == "spec.yaml: OK (3 calls on offline:canned)\n"
    dry = command("run", "spec.yaml", "--dry-run")
    assert dry.code == 0
    assert "Say hi." in dry.out
    assert "3 rows, 3 calls" in dry.out
    assert not (here / "runs").exists()


def test_render_prints_prompts(command, spec):
    outcome = command("render", spec(), "--limit", "1")
    assert outcome.code == 0
    assert outcome.out.splitlines()[1:] == ["user:", "Say hi."]


def test_invalid_answers_end_in_1_and_are_kept(command, spec, results):
    spec("- {contains: word, answer: {n: text}}\n", "answers.yaml")
    text = """\
version: 1
provider: {name: offline, answers: answers.yaml}
prompt: A word.
output: {schema: {type: object, properties: {n: {type: integer}}, required: [n]}, max_attempts: 2}
"""
    outcome = command("run", spec(text), "-o", "o.jsonl")
    assert outcome.code == 1
    (line,) = results("o.jsonl")
    assert (line["status"], line["output"], len(line["attempts"])) == ("invalid", None, 2)
    assert [a["kind"] for a in line["attempts"]] == ["transport", "validation"]
    assert line["text"] == '{"n":"text"}'
    assert "1 row: invalid: No valid answer in 2 attempts" in outcome.err


def test_a_truncated_answer_is_kept_apart(command, spec, results):
    text = "version: 1\nprovider: {name: offline, params: {max_tokens: 2}}\nprompt: hi\n"
    assert command("run", spec(text), "-o", "o.jsonl").code == 1
    assert results("o.jsonl")[0]["status"] == "truncated"


def test_an_unreachable_provider_ends_in_3(command, spec, results):
    outcome = command(
        "run",
        spec(),
        "--provider",
        "vllm:m",
        "--api-base",
        "http://127.0.0.1:9/v1",
        "--set",
        "retry.max_attempts=1",
        "-o",
        "o.jsonl",
    )
    assert outcome.code == 3
    assert {line["status"] for line in results("o.jsonl")} == {"error"}
    assert "Connection refused" in outcome.err


def test_a_missing_key_ends_in_2_and_names_the_variable(command, spec):
    outcome = command("run", spec(), "--provider", "openai:m")
    assert outcome.code == 2
    assert "--provider openai:m: OpenAI needs a key: set OPENAI_API_KEY" in outcome.err


def test_a_provider_without_a_model_ends_in_2(command, spec, monkeypatch):
    outcome = command("run", spec(), "--provider", "vllm", "--api-base", "http://127.0.0.1:9/v1")
    assert (outcome.code, "VLLM_MODEL_NAME" in outcome.err) == (2, True)


def test_one_api_base_cannot_serve_several_providers(command, spec):
    text = "version: 1\nproviders: ['vllm:a', 'vllm:b']\nprompt: hi\n"
    outcome = command("run", spec(text), "--api-base", "http://127.0.0.1:9/v1")
    assert (outcome.code, "names several" in outcome.err) == (2, True)


def test_an_address_in_a_spec_that_nobody_allowed_ends_in_2(command, spec, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    text = "version: 1\nprovider: {name: openai, model: m, api_base: 'https://evil.example/v1'}\nprompt: hi\n"
    outcome = command("run", spec(text))
    assert outcome.code == 2
    assert "spec.yaml:2:" in outcome.err
    assert "--allow-host evil.example" in outcome.err
    assert "canary" not in outcome.err


def test_everything_wrong_is_told_at_once_with_its_place(command, spec):
    Path("rows.csv").write_text("text\nhi\n")
    text = """\
version: 1
provider: {name: offline, params: {tempurature: 1}}
prompt: 'Translate {{ txet }} to {{ language }} in {{ city }}.'
vars: {language: French}
vars: {language: Spanish}
data: rows.csv
"""
    outcome = command("run", spec(text))
    assert outcome.code == 2
    for place in (
        "spec.yaml:2:36: the offline emulator takes no request field `tempurature`. Did you mean `temperature`?",
        "spec.yaml:3:23: `txet` is undefined",
        "spec.yaml:3:55: `city` is undefined",
        "spec.yaml:5:1: The key `vars` stands twice",
        "4 errors; nothing was sent.",
    ):
        assert place in outcome.err


def test_a_ragged_csv_row_is_told_with_its_line(command, spec):
    Path("rows.csv").write_text("a,b\n1,2\n3\n")
    outcome = command("run", spec("version: 1\nprovider: offline\nprompt: '{{ a }}{{ b }}'\ndata: rows.csv\n"))
    assert (outcome.code, "rows.csv:3" in outcome.err) == (2, True)


def test_a_value_of_the_wrong_type_is_told_before_anything_is_sent(command, spec, here):
    Path("rows.csv").write_text("n\n1\ntwo\n")
    text = "version: 1\nprovider: offline\nprompt: '{{ n + 1 }}'\ninputs: {n: {type: integer}}\ndata: rows.csv\n"
    outcome = command("run", spec(text))
    assert (outcome.code, "rows.csv:3: `n` must be a whole number" in outcome.err) == (2, True)
    assert not (here / "runs").exists()
    outcome = command("render", "spec.yaml", "--var", "n=7", "--limit", "1")
    assert outcome.out.splitlines()[-1] == "8"


def test_a_key_in_a_spec_is_shown_in_no_message(command, spec):
    text = "version: 1\nprovider: {name: openai, api_key: sk-abcdefghijklmnopqrstuv, model: m}\nprompt: hi\n"
    outcome = command("run", spec(text))
    assert outcome.code == 2
    assert "sk-abcdef" not in outcome.err


def test_plain_http_needs_a_host_that_was_allowed(command, spec, monkeypatch):
    monkeypatch.setenv("VLLM_API_BASE", "http://gpu.example:8000/v1")
    text = "version: 1\nprovider: vllm:m\nprompt: hi\n"
    outcome = command("run", spec(text), "--check")
    assert (outcome.code, "not encrypted" in outcome.err) == (2, True)
    assert command("run", "spec.yaml", "--check", "--allow-host", "gpu.example").code == 0
    monkeypatch.delenv("VLLM_API_BASE")
    assert command("run", "spec.yaml", "--check", "--api-base", "http://gpu.example:8000/v1").code == 0


def test_an_option_that_is_wrong_is_named_not_the_file(command, spec):
    outcome = command("run", spec(), "--set", "output.strategy=guided")
    assert "--set output.strategy=guided: the offline emulator has no strategy `guided`." in outcome.err


def test_tool_calls_are_shown(command, spec):
    tool = "{name: look, parameters: {type: object, properties: {city: {const: Oslo}}, required: [city]}}"
    outcome = command(
        "run", spec(f"version: 1\nprovider: offline\nprompt: hi\ntools: [{tool}]\ntool_choice: required\n")
    )
    assert 'look({"city":"Oslo"})' in outcome.out


def test_includes_are_seen_from_the_spec(command, spec):
    spec("Be kind to {{ who }}.", "specs/parts/tone.j2")
    text = "version: 1\nprovider: offline\nprompt: '{% include \"parts/tone.j2\" %}'\nvars: {who: all}\n"
    spec(text, "specs/s.yaml")
    assert command("render", "specs/s.yaml").out.splitlines()[-1] == "Be kind to all."


def test_unbuilt_options_are_refused_by_name(command, spec):
    outcome = command("run", spec(), "--telepathy")
    assert (outcome.code, "No such option '--telepathy'" in outcome.err) == (2, True)


def test_a_folder_stands_for_its_specs(command, spec, here):
    spec(name="specs/a.yaml")
    spec("version: 1\nname: b\nprovider: {name: offline, answers: answers.yaml}\nprompt: x\n", "specs/deep/b.yaml")
    spec("- {contains: x, answer: y}\n", "specs/deep/answers.yaml")
    spec("just: data\n", "specs/other.yaml")
    assert command("run", "specs", "--check").out.count("OK") == 2
    spec("version: 1\nprompt: [broken\n", "specs/broken.yaml")
    outcome = command("run", "specs", "--check")
    assert (outcome.code, "broken.yaml" in outcome.err) == (2, True)
    assert command("run", "specs/*/b.yaml", "--check").code == 0
    assert command("run", "nothing/*.yaml", "--check").code == 2


def test_one_bad_spec_stops_all(command, spec, here):
    spec(name="specs/a.yaml")
    spec("version: 1\nprompt: x\n", "specs/b.yaml")
    assert command("run", "specs").code == 2
    assert not (here / "runs").exists()


def test_version_and_help(process):
    shown, _ = process("--version").communicate(timeout=30)
    assert shown == f"throughster {__version__}\n"
    for name in ("run", "check", "render", "schema", "emulate"):
        shown, _ = process(name, "--help").communicate(timeout=30)
        assert "Example" in shown


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_run_keeps_what_was_done(process, spec, here, results, number, code):
    server = process("emulate", "--dialect", "vllm", "--latency", "0.2", "--port", "0")
    address = re.search(r"http://[^;\s]+", server.stdout.readline())[0]
    rows = "\n".join(f"- {{word: w{n}}}" for n in range(500))
    Path("rows.yaml").write_text(rows)
    spec("version: 1\nprovider: {name: vllm, model: m}\nprompt: Say {{ word }}.\ndata: rows.yaml\nconcurrency: 5\n")
    run = process("run", "spec.yaml", "--api-base", f"{address}/v1", "-o", "o.jsonl")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (
        not Path("o.jsonl").exists() or len(Path("o.jsonl").read_bytes().splitlines()) < 5
    ):
        time.sleep(0.05)
    run.send_signal(number)
    began = time.monotonic()
    _, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    assert time.monotonic() - began < 5
    lines = results("o.jsonl")
    assert 5 <= len(lines) < 500
    assert {line["status"] for line in lines} <= {"ok", "skipped"}


def test_a_full_disk_ends_the_run_and_keeps_whole_lines(process, spec, results):
    import resource

    rows = "\n".join(f"- {{word: w{n}}}" for n in range(300))
    Path("rows.yaml").write_text(rows)
    spec("version: 1\nprovider: offline\nprompt: Say {{ word }}.\ndata: rows.yaml\n")
    limit = 40_000
    run = process(
        "run",
        "spec.yaml",
        "-o",
        "o.jsonl",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, err = run.communicate(timeout=30)
    assert run.returncode == 3
    assert "o.jsonl cannot be written: File too large" in err
    assert Path("o.jsonl").stat().st_size <= limit


def test_nothing_in_a_log_of_ci_can_be_a_command(command, spec):
    spec('- {contains: a, answer: "::error::pwned"}\n- {contains: b, answer: "##vso[task]x"}\n', "answers.yaml")
    text = "version: 1\nprovider: {name: offline, answers: answers.yaml}\nprompt: '{{ t }}'\ndata: [{t: 'a ::warning::x'}, {t: b}]\n"
    outcome = command("run", spec(text), "--format", "github")
    assert outcome.code == 0
    assert not re.search(r"::|##\[|##vso\[", outcome.out)


def test_a_reader_that_leaves_costs_nothing(process, spec, results):
    rows = "\n".join(f"- {{word: w{n}}}" for n in range(2000))
    Path("rows.yaml").write_text(rows)
    spec("version: 1\nprovider: offline\nprompt: Say {{ word }}.\ndata: rows.yaml\n")
    run = process("run", "spec.yaml", "-o", "o.jsonl", "--format", "json")
    run.stdout.readline()
    run.stdout.close()
    run.stdout = None
    _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, "")
    assert len(results("o.jsonl")) == 2000


def test_a_folder_that_cannot_be_written_is_told(command, spec, here):
    (here / "runs").write_text("in the way")
    outcome = command("run", spec())
    assert (outcome.code, "cannot be made" in outcome.err) == (2, True)


def test_a_port_that_is_taken_is_told(process):
    first = process("emulate")
    port = re.search(r":(\d+);", first.stdout.readline())[1]
    second = process("emulate", "--port", port)
    _, err = second.communicate(timeout=20)
    assert (second.returncode, "cannot be listened on" in err, "Traceback" in err) == (2, True, False)


def test_what_was_wrong_with_an_answer_is_kept_with_its_attempt(command, spec, results):
    spec("- {contains: word, answer: {n: text}}\n", "answers.yaml")
    schema = "{type: object, properties: {n: {type: integer}}, required: [n]}"
    text = f"version: 1\nprovider: {{name: offline, answers: answers.yaml}}\nprompt: A word.\noutput: {{schema: {schema}, max_attempts: 2}}\n"
    command("run", spec(text), "-o", "o.jsonl")
    (line,) = results("o.jsonl")
    assert [attempt["error"].startswith("invalid answer: $.n") for attempt in line["attempts"]] == [True, True]


def test_one_broken_part_does_not_hide_what_is_wrong_with_the_others(command, spec):
    text = (
        "version: 1\nprovider: offline\nvars: {text: hi}\ndata: missing.csv\n"
        "prompt: [{role: user, content: {file: nope.j2}}, {role: user, content: '{{ txet }}'}]\n"
    )
    outcome = command("run", spec(text))
    for words in ("missing.csv", "nope.j2", "`txet` is undefined"):
        assert words in outcome.err


def test_broken_data_is_not_blamed_on_the_template(command, spec):
    Path("rows.csv").write_bytes(b"text,n\nh\xe9,1\n")
    outcome = command("run", spec("version: 1\nprovider: offline\nprompt: '{{ text }} {{ n }}'\ndata: rows.csv\n"))
    assert (outcome.code, "rows.csv" in outcome.err, "undefined" in outcome.err) == (2, True, False)
