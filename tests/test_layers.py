"""The house stays as it is drawn: a module imports lower levels only, and lazily only what is heavy or optional."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "runner" / "throughster"

LEVELS = {
    0: ("_version", "characters", "errors", "names", "reply", "types"),
    1: ("config", "paths", "redact", "sse", "strictjson"),
    2: ("limits", "retry", "screen", "transport", "schema", "yamltree", "providers", "prompts"),
    3: ("emulator", "exchanges", "inputs", "settings", "tools"),
    4: ("checks", "client"),
    5: ("balance", "spec"),
    6: ("running",),
    7: ("bench", "convert", "hf_datasets", "regression"),
    8: ("reports",),
    9: ("cli", "__init__"),
    10: ("__main__", "pytest_plugin"),
}
LEVEL = {room: level for level, rooms in LEVELS.items() for room in rooms}

LAZY_ROOMS = {  # a check of a spec needs no network, and one without tests no checks of answers
    ("running", "client"),
    ("running", "balance"),
    ("client", "emulator"),
    ("spec", "checks"),
    ("running", "checks"),
    ("running", "exchanges"),
}
LAZY = {
    "uvloop", "matplotlib.figure", "pyarrow", "pyarrow.parquet", "referencing", "referencing.jsonschema", "referencing.exceptions", "jsonschema",
    "jsonschema.validators", "pydantic", "urllib.parse", "re2", "jsonpath_rfc9535", "jsonpath_rfc9535.function_extensions",
    "rapidfuzz.distance", "rouge_score.rouge_scorer", "sacrebleu.metrics.bleu",
}  # fmt: skip


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        yield path, path.relative_to(ROOT).parts


def room_of(parts):
    return parts[0].removesuffix(".py")


def imports(tree):
    """(module, is inside a function) of every import."""
    inside = {
        node for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(f)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in inside
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module, node in inside


def violations(parts, source):
    room = room_of(parts)
    for name, is_lazy in imports(ast.parse(source)):
        if name == "throughster" or name.startswith("throughster."):
            target = [*name.split("."), "__init__"][1]
            if target != room and LEVEL[target] >= LEVEL[room]:
                yield f"{room} (level {LEVEL[room]}) imports {target} (level {LEVEL[target]})"
            if is_lazy and room not in {"cli", "__init__", "pytest_plugin"} and (room, target) not in LAZY_ROOMS:
                yield f"{'/'.join(parts)} imports {name} inside a function"
        elif is_lazy and name not in LAZY:
            yield f"{'/'.join(parts)} imports {name} inside a function"


def test_every_room_has_its_level():
    assert {room_of(parts) for _, parts in modules()} <= set(LEVEL)


@pytest.mark.parametrize(
    ("path", "parts"), list(modules()), ids=lambda value: "/".join(value) if isinstance(value, tuple) else ""
)
def test_imports_go_down(path, parts):
    assert list(violations(parts, path.read_text("utf-8"))) == []


def test_a_violation_is_seen():
    assert list(violations(("errors.py",), "from throughster.types import Usage")) == [
        "errors (level 0) imports types (level 0)"
    ]
    assert list(violations(("sse.py",), "def f():\n    from throughster.errors import X")) == [
        "sse.py imports throughster.errors inside a function"
    ]


def test_only_the_transport_speaks_to_aiohttps_client():
    users = {
        parts[0]
        for path, parts in modules()
        for name, _ in imports(ast.parse(path.read_text("utf-8")))
        if name.startswith("aiohttp")
    }
    assert users == {"transport.py", "emulator"}


def test_no_module_level_import_cycle():
    graph = {}
    names = {".".join(("throughster", *parts)).removesuffix(".py") for _, parts in modules()}
    for path, parts in modules():
        name = ".".join(("throughster", *parts)).removesuffix(".py").removesuffix(".__init__")
        tree = ast.parse(path.read_text("utf-8"))
        guarded = {
            n
            for node in tree.body
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for n in ast.walk(node)
        }
        graph[name] = {
            f"{n.module}.{alias.name}" if f"{n.module}.{alias.name}" in names else n.module
            for n in ast.walk(tree)
            if isinstance(n, ast.ImportFrom) and n not in guarded and n.col_offset == 0
            for alias in n.names
        }

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for target in graph.get(name, ()):
                visit(target, [*trail, name])
            done.add(name)

    done = set()
    for name in graph:
        visit(name, [])
