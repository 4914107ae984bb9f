"""YAML that is deep, wide, odd or endless, and specs with thousands of mistakes."""

from __future__ import annotations

from tests.hostile.attack import SPEC, Attack

FAMILY = "specs"
_CHECK = ("throughster", "check", "s.yaml")
_LAUGHS = "x-a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"x-{c}: &{c} [{','.join(['*' + b] * 10)}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)
)

_TEXTS: dict[str, str | bytes] = {
    "laughs": SPEC + "prompt: x\n" + _LAUGHS,
    "deep-flow": SPEC + "prompt: x\nx-a: " + "[" * 100_000,
    "deep-closed": SPEC + "prompt: x\nx-a: " + "[" * 5000 + "]" * 5000 + "\n",
    "deep-block": SPEC + "prompt: x\nx-a:\n" + "".join(" " * n + "a:\n" for n in range(1, 1300)),
    "deep-mapping": SPEC + "prompt: x\nx-a: " + "{a: " * 50_000,
    "alias-of-itself": SPEC + "prompt: x\nx-a: &a [*a]\n",
    "alias-many": SPEC + "prompt: x\nx-a: &a x\nx-b: [" + "*a," * 100_000 + "]\n",
    "merge": SPEC + "prompt: x\nx-a: &a {a: 1}\nx-b: {<<: *a}\n",
    "tag-python": SPEC + "prompt: !!python/object/apply:os.system [id]\n",
    "tag-binary": SPEC + "prompt: !!binary aGk=\n",
    "tag-own": SPEC + "prompt: !env OPENAI_API_KEY\n",
    "directive": "%YAML 1.1\n%TAG ! tag:x,2000:\n---\n" + SPEC + "prompt: x\n",
    "documents": "---\n" + SPEC + "prompt: x\n" + "---\na: 1\n" * 10_000,
    "keys-twice": SPEC + "prompt: x\n" + "x-a: 1\n" * 40_000,
    "keys-unknown": SPEC + "prompt: x\n" + "".join(f"promt{n}: 1\n" for n in range(40_000)),
    "keys-unknown-below": SPEC + "prompt: x\ntests:\n" + "".join(f"  - {{vras: {{}}, asert: [], di: a{n}}}\n" for n in range(10_000)),
    "keys-long": SPEC + "prompt: x\n" + "k" * 500_000 + ": 1\n",
    "types-wrong": SPEC + "prompt: x\ntests:\n" + "".join(f"  - {{id: [{n}], vars: 3, assert: x}}\n" for n in range(10_000)),
    "checks-unknown": SPEC + "prompt: x\ntests:\n" + "".join(f"  - {{vars: {{}}, assert: [{{type: contians{n}, value: x}}]}}\n" for n in range(2500)),
    "params-unknown": SPEC.replace("offline", "{name: offline, params: {" + ", ".join(f"temprature{n}: 1" for n in range(12_000)) + "}}") + "prompt: x\n",
    "ids-equal": SPEC + "prompt: x\ntests:\n" + "".join("  - {id: a, vars: {}, assert: [{type: contains, value: x}]}\n" for _ in range(10_000)),
    "undefined": SPEC + 'prompt: "' + " ".join(f"{{{{ nam{n}e }}}}" for n in range(4900)) + '"\nvars: {' + ", ".join(f"nam{n}: 1" for n in range(3000)) + "}\n",
    "undefined-many": SPEC + 'prompt: "' + " ".join(f"{{{{ nam{n}e }}}}" for n in range(9000)) + '"\nvars: {' + ", ".join(f"nam{n}: 1" for n in range(9000)) + "}\n",
    "unused": SPEC + "prompt: x\nvars: {" + ", ".join(f"name{n}: 1" for n in range(25_000)) + "}\n",
    "messages": SPEC + "prompt: [" + ",".join('{role: user, content: "{{ a }}"}' for _ in range(1001)) + "]\nvars: {a: 1}\n",
    "numbers": SPEC + "prompt: x\nrepeat: " + "9" * 100_000 + "\n",
    "number-float": SPEC + "prompt: x\npass_rate: 1e999999999\n",
    "number-sexagesimal": SPEC + "prompt: x\nx-a: " + "1:" * 100_000 + "1\n",
    "number-underscores": SPEC + "prompt: x\nrepeat: " + "1_" * 100_000 + "\n",
    "text-quoted": SPEC + 'prompt: "' + "\\x41" * 200_000 + '"\n',
    "text-folded": SPEC + "prompt: >\n" + "  a\n" * 200_000,
    "text-open": SPEC + 'prompt: "' + "a\n" * 400_000,
    "comments": SPEC + "prompt: x\n" + "#\n" * 450_000,
    "blanks": SPEC + "prompt: x\n" + "\n" * 900_000,
    "tabs": SPEC + "prompt: x\n\t\t\t" + "\t" * 500_000,
    "nul": (SPEC + "prompt: x\n").encode() + b"\0" * 900_000,
    "utf-16": ("\ufeff" + SPEC + "prompt: x\n").encode("utf-16-le"),
    "utf-8-broken": (SPEC + "prompt: ").encode() + b"\xff\xfe\xed\xa0\x80" * 10_000,
    "large": SPEC + "prompt: " + "x" * 1_100_000,
    "dashes": SPEC + "prompt: x\nx-a:\n" + "- " * 100_000,
    "questions": SPEC + "prompt: x\n" + "? " * 100_000,
    "colons": ": " * 300_000,
    "braces": "{" * 500_000,
    "anchors": SPEC + "prompt: x\nx-a: [" + ",".join(f"&a{n} 1" for n in range(60_000)) + "]\n",
    "empty": "",
    "list": "[1, 2]",
    "name-path": SPEC + "name: ../../../../tmp/evil\nprompt: x\n",
    "name-hidden": SPEC + "name: .git\nprompt: x\n",
    "output-path": SPEC + "prompt: x\noutputs: [../../evil.md]\n",
    "output-absolute": SPEC + "prompt: x\noutputs: [/tmp/evil.md]\n",
    "regex": SPEC + "prompt: x\ntests: [{vars: {}, assert: [{type: regex, value: '" + "(a*)*" * 2000 + "b'}]}]\n",
    "regex-repeat": SPEC + "prompt: x\ntests: [{vars: {}, assert: [{type: regex, value: '((a{1000}){1000}){1000}'}]}]\n",
    "regex-long": SPEC + "prompt: x\ntests: [{vars: {}, assert: [{type: regex, value: '" + "a" * 500_000 + "'}]}]\n",
    "jsonpath": SPEC + "prompt: x\ntests: [{vars: {}, assert: [{type: equals, path: '$" + "..*" * 5000 + "', value: 1}]}]\n",
    "nested-checks": SPEC + "prompt: x\ntests: [{vars: {}, assert: [" + "{type: any-of, value: [" * 200 + "{type: contains, value: x}" + "]}" * 200 + "]}]\n",
}  # fmt: skip

_SPEC_OK = (0, 2)
ATTACKS = tuple(
    Attack(FAMILY, name, _CHECK, {"s.yaml": text}, _SPEC_OK, says="s.yaml") for name, text in _TEXTS.items()
)
