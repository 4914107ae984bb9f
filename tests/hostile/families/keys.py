"""Keys in specs, and ways to see, print or send the user's."""

from __future__ import annotations

from tests.hostile.attack import SPEC, Attack

FAMILY = "keys"
KEY = "sk-proj-0123456789abcdefGHIJ"
_NOT = (KEY, "sk-CANARY", "Traceback", "this is a bug")
_CHECK = ("throughster", "check", "s.yaml")
_JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"

_SPECS = {
    "provider": f"version: 1\nprovider: {{name: openai, model: m, api_key: {KEY}}}\nprompt: x\n",
    "provider-header": f"version: 1\nprovider: {{name: openai, model: m, headers: {{Authorization: Bearer {KEY}}}}}\nprompt: x\n",
    "provider-params": f"version: 1\nprovider: {{name: openai, model: m, params: {{user: {KEY}}}}}\nprompt: x\n",
    "provider-label": f"version: 1\nprovider: {{name: offline, label: {KEY}}}\nprompt: x\n",
    "vars": SPEC + f"prompt: x {{{{ a }}}}\nvars: {{a: {KEY}}}\n",
    "vars-unused": SPEC + f"prompt: x\nvars: {{a: {KEY}}}\n",
    "prompt": SPEC + f"prompt: 'use {KEY} now'\n",
    "prompt-block": SPEC + f"prompt: |\n  one\n  use {KEY} now\n",
    "description": SPEC + f"prompt: x\ndescription: the key is {KEY}.\n",
    "x": SPEC + f"prompt: x\nx-note: {KEY}\n",
    "x-deep": SPEC + f"prompt: x\nx-note: {{a: [b, {{c: '{KEY}'}}]}}\n",
    "data": SPEC + f"prompt: '{{{{ a }}}}'\ndata: [{{a: {KEY}}}]\n",
    "matrix": SPEC + f"prompt: '{{{{ a }}}}'\nmatrix: {{a: [{KEY}]}}\n",
    "tests": SPEC + f"prompt: x\ntests: [{{id: a, vars: {{}}, assert: [{{type: contains, value: '{KEY}'}}]}}]\n",
    "test-id": SPEC + f"prompt: x\ntests: [{{id: {KEY}, vars: {{}}, assert: [{{type: contains, value: x}}]}}]\n",
    "mapping-key": SPEC + f"prompt: x\nx-a: {{{KEY}: 1}}\n",
    "unknown-key": SPEC + f"prompt: x\n{KEY}: 1\n",
    "tags": SPEC + f"prompt: x\ntags: [{KEY}]\n",
    "name": SPEC + f"prompt: x\nname: {KEY}\n",
    "tool": SPEC + f"prompt: x\ntools: [{{name: a, description: use {KEY}}}]\n",
    "schema": SPEC + f"prompt: x\noutput: {{schema: {{type: object, description: {KEY}}}}}\n",
    "grader": SPEC + f"prompt: x\ngrader: {{provider: {{name: openai, model: m, api_key: {KEY}}}}}\ntests: [{{vars: {{}}, assert: [{{type: llm-rubric, value: good}}]}}]\n",
    "wrong-type": SPEC + f"prompt: x\nrepeat: {KEY}\n",
    "wrong-place": SPEC + f"prompt: x\napi_key: {KEY}\n",
    "api-base": f"version: 1\nprovider: {{name: openai, model: m, api_base: 'https://{KEY}@api.openai.com/v1'}}\nprompt: x\n",
    "jwt": SPEC + f"prompt: {_JWT}\n",
    "aws": SPEC + "prompt: AKIAIOSFODNN7EXAMPLE\n",
    "github": SPEC + "prompt: ghp_0123456789abcdefghijABCDEFGHIJ012345\n",
    "private-key": SPEC + "prompt: '-----BEGIN RSA PRIVATE KEY----- MIIE'\n",
    "template-env": SPEC + "prompt: '{{ env.OPENAI_API_KEY }}'\n",
    "template-environ": SPEC + "prompt: '{{ environ }} {{ os.environ }}'\n",
    "yaml-env": SPEC + "prompt: ${OPENAI_API_KEY}\nvars: {a: $OPENAI_API_KEY}\n",
}  # fmt: skip


def _attacks():
    for name, spec in _SPECS.items():
        code = (0,) if name == "yaml-env" else (2,)
        for form in ("text", "json", "github"):
            run = (*_CHECK, "--format", form)
            holds_not = (*_NOT, _JWT) if name == "jwt" else _NOT
            yield Attack(FAMILY, f"{name}-{form}", run, {"s.yaml": spec}, code, holds_not=holds_not)
    table = f"a\n{KEY}\n"
    spec = SPEC + f"prompt: 'x {{{{ a }}}}'\ndata: d.csv\nx-a: {KEY}\n"
    yield Attack(FAMILY, "with-data", _CHECK, {"s.yaml": spec, "d.csv": table}, holds_not=_NOT)


ATTACKS = tuple(_attacks())
