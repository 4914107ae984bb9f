"""Tries a sample of changes against the tests that run the changed line; prints what no test noticed.

`python -m tests.mutants [COUNT] [SEED]`. Exit 1 where less than 90 % are noticed. What was judged to change nothing that
anybody could see stands in `equivalent.txt` and does not count.
"""

from __future__ import annotations

import concurrent.futures
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from coverage import CoverageData
from tests.mutants.changes import changes_of

ROOT = Path(__file__).parents[2]
PACKAGE = "runner/throughster"
AREAS = {
    "limits": ("limits", "retry.py"),
    "client": ("client", "transport.py"),
    "running": ("running",),
    "regression": ("regression",),
    "checks": ("checks",),
    "recording": ("exchanges",),
    "sandbox": ("prompts",),
    "paths": ("paths.py",),
    "settings": ("settings.py",),
}
"""Area -> what of the package belongs to it; each gives as many changes as any other."""
SHARE = 0.9
_MOST_TESTS = 60
_LIMIT_S = 240
_COPIED = ("runner", "tests", "specs", "schemas", "docs", "examples", "README.md", "CHANGELOG.md", "SECURITY.md",
           "LICENSE", "Makefile", "pyproject.toml", ".ci")  # fmt: skip


def main(count=200, seed=7):
    started = time.monotonic()
    data = _coverage()
    sample = _sample(count, seed)
    known = _equivalent()
    sample = [change for change in sample if _key(change) not in known]
    print(f"{len(sample)} changes, seed {seed}; {count - len(sample)} more are known to change nothing.", flush=True)
    workers = min(2, os.cpu_count() or 1)
    survivors = []
    with tempfile.TemporaryDirectory(prefix="throughster-mutants-") as folder:
        trees = queue.Queue()
        for number in range(workers):
            trees.put(_tree(Path(folder) / str(number)))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for number, (change, verdict) in enumerate(pool.map(lambda one: _tried(one, trees, data), sample), 1):
                print(f"{number:4} {verdict:9} {change}", flush=True)
                if verdict == "survived":
                    survivors.append(change)
    share = 1 - len(survivors) / len(sample)
    print(
        f"\n{len(sample) - len(survivors)} of {len(sample)} noticed ({share:.1%}) in {time.monotonic() - started:.0f} s."
    )
    for change in survivors:
        print(f"survived: {change}")
    return 0 if share >= SHARE else 1


def _sample(count, seed):
    """As many changes of each area, drawn without any order of the file system."""
    draw = random.Random(seed)
    found = []
    for number, parts in enumerate(AREAS.values()):
        places = []
        for part in parts:
            path = ROOT / PACKAGE / part
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                places += changes_of(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))
        share = count // len(AREAS) + (number < count % len(AREAS))
        found += draw.sample(places, min(share, len(places)))
    draw.shuffle(found)
    return found


def _key(change):
    return f"{change.file}: {' '.join(change.before.split())} -> {change.text}"


def _equivalent():
    written = Path(__file__).with_name("equivalent.txt")
    lines = written.read_text("utf-8").splitlines() if written.exists() else []
    return {line.partition("  # ")[0] for line in lines if line and not line.startswith("#")}


def _coverage():
    """Which test runs which line, from one run of the whole suite; kept while the program and its tests stay as they are."""
    kept = ROOT / ".cache" / "mutants" / "coverage"
    newest = max(path.stat().st_mtime for name in ("runner", "tests") for path in (ROOT / name).rglob("*.py"))
    if not kept.exists() or kept.stat().st_mtime < newest:
        kept.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "COVERAGE_FILE": str(kept)}
        command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "--cov", "--cov-context=test", "--cov-report="]
        subprocess.run([*command, "--deselect", "tests/hostile"], cwd=ROOT, env=env, check=False)
    data = CoverageData(str(kept))
    data.read()
    return data


def _tree(folder):
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    (folder / ".git").mkdir(exist_ok=True)
    return folder


def _tried(change, trees, data):
    tree = trees.get()
    file = tree / change.file
    source = file.read_text("utf-8")
    try:
        file.write_text(change.apply(source), "utf-8")
        tests = _tests(change, data)
        if tests and _fails(tree, tests):
            return change, "noticed"
        folders = _folders(change)
        return change, "noticed" if folders and _fails(tree, folders) else "survived"
    finally:
        file.write_text(source, "utf-8")
        trees.put(tree)


def _tests(change, data):
    contexts = data.contexts_by_lineno(str(ROOT / change.file)).get(change.line, ())
    tests = sorted({context.partition("|")[0] for context in contexts if context})
    if len(tests) > _MOST_TESTS:
        tests = random.Random(len(tests)).sample(tests, _MOST_TESTS)
    return tests


def _folders(change):
    """The tests of the changed room, for what only runs in processes of its own."""
    room = change.file.removeprefix(f"{PACKAGE}/").partition("/")[0].removesuffix(".py")
    places = {
        "running": ["tests/run", "tests/cli"],
        "limits": ["tests/test_limits.py", "tests/test_learned_limits.py", "tests/run"],
        "prompts": ["tests/test_prompts.py", "tests/hostile"],
        "client": ["tests/client", "tests/test_hf_datasets.py"],
        "exchanges": ["tests/exchanges", "tests/cli"],
    }
    names = places.get(room, [f"tests/{room}", f"tests/test_{room}.py"])
    return [name for name in names if (ROOT / name).exists()]


def _fails(tree, tests):
    env = {**os.environ, "PYTHONPATH": str(tree / "runner"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout=60", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=env,
            timeout=_LIMIT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode in (1, 2, 3)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
