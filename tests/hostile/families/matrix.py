"""Specs of a few lines that stand for more than any memory or patience holds."""

from __future__ import annotations

import json

from tests.hostile.attack import SPEC, Attack

FAMILY = "matrix"
_LIST = json.dumps(list(range(40)))
_MATRIX = f"x-l: &l {_LIST}\nmatrix: {{" + ", ".join(f"{k}: *l" for k in "abcdefghi") + "}\n"
_HUGE = f"x-l: &l {_LIST}\nmatrix: {{" + ", ".join(f"k{k}: *l" for k in range(40)) + "}\n"
_CHECK, _RENDER, _DRY, _RUN = ("throughster", "check", "s.yaml"), ("throughster", "render", "s.yaml"), ("throughster-run", "s.yaml", "--dry-run"), ("throughster-run", "s.yaml")  # fmt: skip
_TEST = "tests: [{vars: {}, assert: [{type: contains, value: x}]}]\n"
_TYPED = "inputs: {a: {type: integer}}\n"

_CASES = {
    "check": (_CHECK, SPEC + "prompt: x\n" + _MATRIX, (0,)),
    "check-huge": (_CHECK, SPEC + "prompt: x\n" + _HUGE, (0,)),
    "check-typed": (_CHECK, SPEC + "prompt: '{{ a }}'\n" + _TYPED + _MATRIX, (0,)),
    "check-filter": ((*_CHECK, "--filter", "a=41"), SPEC + "prompt: x\n" + _MATRIX, (0, 2)),
    "check-filters": ((*_CHECK, "--filter", "a=41", "--filter", "b=1"), SPEC + "prompt: x\n" + _MATRIX, (0, 2)),
    "check-sample": ((*_CHECK, "--sample", "3"), SPEC + "prompt: x\n" + _MATRIX, (2,)),
    "check-sample-huge": ((*_CHECK, "--sample", "3"), SPEC + "prompt: x\n" + _HUGE, (2,)),
    "render-one": ((*_RENDER, "--limit", "1"), SPEC + "prompt: x\n" + _MATRIX, (0,)),
    "render-huge": ((*_RENDER, "--limit", "1"), SPEC + "prompt: x\n" + _HUGE, (0,)),
    "dry-run": (_DRY, SPEC + "prompt: x\n" + _MATRIX, (0,)),
    "dry-run-huge": (_DRY, SPEC + "prompt: x\n" + _HUGE, (0,)),
    "run-one": ((*_RUN, "--limit", "1"), SPEC + "prompt: x\n" + _MATRIX, (0,)),
    "run-huge": ((*_RUN, "--limit", "1"), SPEC + "prompt: x\n" + _HUGE, (0,)),
    "tests": (_CHECK, SPEC + "prompt: x\n" + _MATRIX + _TEST, (2,)),
    "tests-huge": (_RUN, SPEC + "prompt: x\n" + _HUGE + _TEST, (2,)),
    "tests-by-pytest": (("pytest", "s.yaml"), SPEC + "prompt: x\n" + _MATRIX + _TEST, (2,)),
    "repeat": (_CHECK, SPEC + "prompt: x\nrepeat: 1000000000\n", (0, 2)),
    "repeat-tests": (_CHECK, SPEC + "prompt: x\nrepeat: 1000000000\n" + _TEST, (0, 2)),
    "data-times-matrix": (_CHECK, SPEC + "prompt: x\ndata: [" + ",".join("{z: 1}" for _ in range(2000)) + "]\n" + _MATRIX, (0,)),
    "providers": (_CHECK, "version: 1\nproviders: [" + ",".join(f"{{name: offline, label: l{n}}}" for n in range(5000)) + "]\nprompt: x\n", (0, 2)),
}  # fmt: skip

ATTACKS = tuple(Attack(FAMILY, name, run, {"s.yaml": spec}, code) for name, (run, spec, code) in _CASES.items())
