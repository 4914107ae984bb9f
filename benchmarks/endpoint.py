"""`throughster bench` beside `vllm bench serve`: the same vLLM, prompts and lengths, so that the figures should agree.

The server is that of `make test-real`. Where it is not set up, nothing is measured.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import string
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.real import servers

from benchmarks.measure import ROOT, table

LOADS = {1: 40, 8: 240, 16: 480}  # requests by workers
ROUNDS, PROMPT, TOKENS, WARM_UP = 3, 256, 64, 8
FIGURES = {
    "requests/s": ("requests_per_s", "request_throughput"),
    "completion tok/s": ("completion_tokens_per_s", "output_throughput"),
    "total tok/s": ("total_tokens_per_s", "total_token_throughput"),
}
TIMES = {
    "first token": ("first_token_s", "ttft"),
    "per output token": ("per_output_token_s", "tpot"),
    "between tokens": ("inter_token_s", "itl"),
    "latency": ("latency_s", "e2el"),
}
SHARES = {"mean": "mean", "p50": "median", "p99": "p99"}
SPEC = """\
version: 1
name: bench
provider:
  name: vllm
  model: {model}
  api_base: "{base}/v1"
  params: {{max_tokens: {tokens}, extra_body: {{ignore_eos: true}}}}
prompt: '{{{{ prompt }}}}'
data: {data}
"""


def run() -> str:
    """The table of this area, as Markdown, or why there is none."""
    folder = Path(servers.GIVEN["VLLM"] or servers.CACHE / "vllm")
    if not list(folder.glob("lib/*/site-packages/pandas")):
        return "Not measured: this needs the vLLM of `make test-real` in `.cache/real`, and pandas in its environment."
    with servers.vllm() as server:
        runs = {
            workers: [(_ours(server.origin, workers), _theirs(folder, server.origin, workers)) for _ in range(ROUNDS)]
            for workers in LOADS
        }
    rows = [[figure, *(_cell(runs[workers], figure) for workers in LOADS)] for figure in runs[1][0][0]]
    about = (
        f"vLLM {servers.VLLM_CPU} with a tiny model on the CPU, prompts of {PROMPT} characters, no two alike, answers "
        f"of {TOKENS} tokens; medians of {ROUNDS}, in turn. A cell: throughster bench / vllm bench serve (quotient). "
        "Server and client share the cores: a client that is kept from running sees an answer's tokens all at once, "
        "which makes the first late and the others early"
    )
    head = ["", *(f"workers: {workers}, requests: {requests}" for workers, requests in LOADS.items())]
    return f"{about}\n\n{table(head, rows)}"


def _cell(pairs: list[tuple[dict[str, float], dict[str, float]]], figure: str) -> str:
    ours, theirs = (statistics.median(pair[n][figure] for pair in pairs) for n in (0, 1))
    return f"{ours:,.2f} / {theirs:,.2f} ({ours / theirs:.2f})"


def _prompts(path: Path, requests: int) -> None:
    """New ones in every run, so that the server's cache of prefixes helps nobody."""
    texts = ("".join(random.choices(string.ascii_uppercase, k=PROMPT)) for _ in range(requests))
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))


def _run(command: list[Any], env: dict[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **env})
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")


def _ours(base: str, workers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        spec, data, out = (Path(name) / file for file in ("spec.yaml", "rows.jsonl", "out.json"))
        _prompts(data, LOADS[workers])
        spec.write_text(SPEC.format(model=servers.MODEL, base=base, tokens=TOKENS, data=data.name))
        load = f"--workers {workers} --requests {LOADS[workers]} --warm-up {WARM_UP} --allow-host 127.0.0.1".split()
        _run([sys.executable, "-m", "throughster", "bench", spec, *load, "-o", out], {"VLLM_API_KEY": servers.KEY})
        (step,) = json.loads(out.read_text())["steps"]
    assert (step["requests"], step["completion_tokens"]) == (LOADS[workers], LOADS[workers] * TOKENS)
    told = {figure: step[ours] for figure, (ours, _) in FIGURES.items()}
    times = {f"{time}, {at}, ms": step[ours][at] * 1000 for time, (ours, _) in TIMES.items() for at in SHARES}
    return {**told, **times}


def _theirs(folder: Path, base: str, workers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        data, out = (Path(name) / file for file in ("rows.jsonl", "out.json"))
        _prompts(data, LOADS[workers])
        command = [
            *(folder / "bin" / "vllm", "bench", "serve", "--backend", "openai-chat", "--base-url", base, "--endpoint"),
            *("/v1/chat/completions", "--model", servers.CACHE / "tiny-hf", "--served-model-name", servers.MODEL),
            *("--dataset-name", "custom", "--dataset-path", data, "--skip-chat-template", "--ignore-eos"),
            *("--custom-output-len", str(TOKENS), "--num-prompts", str(LOADS[workers]), "--save-result"),
            *("--max-concurrency", str(workers), "--num-warmups", str(WARM_UP), "--metric-percentiles", "99"),
            *("--percentile-metrics", "ttft,tpot,itl,e2el", "--result-dir", name, "--result-filename", out.name),
        ]
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
        _run(command, {**quiet, "OPENAI_API_KEY": servers.KEY})
        told = json.loads(out.read_text())
    assert (told["completed"], told["total_output_tokens"]) == (LOADS[workers], LOADS[workers] * TOKENS)
    times = {f"{time}, {at}, ms": told[f"{SHARES[at]}_{key}_ms"] for time, (_, key) in TIMES.items() for at in SHARES}
    return {**{figure: told[theirs] for figure, (_, theirs) in FIGURES.items()}, **times}
