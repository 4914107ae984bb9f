"""promptfoo itself: installed once from npm into `.cache/promptfoo`, and run without telemetry, updates or sharing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["VERSION", "UnavailableError", "installed", "run"]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("THROUGHSTER_PROMPTFOO_CACHE") or ROOT / ".cache" / "promptfoo")
VERSION = "0.121.20"
KEY = "sk-probe-0123456789"


class UnavailableError(Exception):
    """promptfoo cannot be had here; the message says why in one line."""


def installed():
    """The program; the first time it is installed (about 2 minutes and 1.4 GB)."""
    program, done = CACHE / "node_modules" / ".bin" / "promptfoo", CACHE / f".installed-{VERSION}"
    if done.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "package.json").write_text('{"private": true}')
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", f"promptfoo@{VERSION}"]
    process = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=1800, check=False)
    if process.returncode or not program.exists():
        lines = (process.stderr.strip() or "no output").splitlines()
        raise UnavailableError(f"npm install promptfoo@{VERSION} failed: {lines[-1]}")
    done.touch()
    return program


def run(program, folder):
    """The results of `promptfooconfig.yaml` in a folder, as promptfoo writes them."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(CACHE), "PROMPTFOO_CONFIG_DIR": str(CACHE / "state"),
        "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_SHARING": "1",
        "PROMPTFOO_DISABLE_REMOTE_GENERATION": "true", "OPENAI_API_KEY": KEY, "CI": "1",
    }  # fmt: skip
    command = [program, "eval", "-c", "promptfooconfig.yaml", "-o", "peer.json", "--no-cache", "--no-table"]
    process = subprocess.run(
        [*map(str, command), "--no-progress-bar"],
        cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    written = folder / "peer.json"
    if not written.exists():
        raise UnavailableError(f"promptfoo ended with {process.returncode}: {process.stderr[-1000:]}")
    return json.loads(written.read_text("utf-8"))["results"]["results"]
