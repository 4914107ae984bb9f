"""Addresses in specs: where a request, or a key, would go that nobody allowed."""

from __future__ import annotations

import json

from tests.hostile.attack import Attack

FAMILY = "addresses"
_CHECK = ("throughster", "check", "s.yaml")
_CI = {"CI": "true"}

_REFUSED = {
    "host": "https://evil.example/v1",
    "http": "http://evil.example/v1",
    "lookalike": "https://api.openai.com.evil.example/v1",
    "userinfo": "https://api.openai.com@evil.example/v1",
    "userinfo-password": "https://a:b@api.openai.com/v1",
    "backslash": "https://evil.example\\@api.openai.com/v1",
    "fragment": "https://evil.example#api.openai.com/v1",
    "query": "https://api.openai.com/v1?x=https://evil.example",
    "loopback-query": "http://127.0.0.1:9/internal/create?name=x&q=",
    "loopback-fragment": "http://127.0.0.1:9/v1#x",
    "port": "https://api.openai.com:8443/v1",
    "http-own": "http://api.openai.com/v1",
    "trailing-dot": "https://api.openai.com./v1",
    "unicode": "https://\u0430pi.openai.com/v1",
    "metadata": "http://169.254.169.254/latest/meta-data",
    "link-local": "http://[fe80::1]/v1",
    "private": "http://10.0.0.1/v1",
    "any": "http://0.0.0.0/v1",
    "decimal": "http://2130706434/v1",
    "hex": "http://0x0a000001/v1",
    "mapped": "http://[::ffff:10.0.0.1]/v1",
    "scheme-file": "file:///etc/passwd",
    "scheme-ftp": "ftp://127.0.0.1/v1",
    "scheme-none": "//evil.example/v1",
    "scheme-unix": "unix:///var/run/docker.sock",
    "blank": "http://127.0.0.1 .evil.example/v1",
    "line-break": "http://127.0.0.1\n.evil.example/v1",
    "nul": "http://127.0.0.1\u0000.evil.example/v1",
    "localhost-like": "http://localhost.evil.example/v1",
}  # fmt: skip


def _spec(address: str, provider: str = "openai") -> str:
    one = json.dumps({"name": provider, "model": "m", "api_base": address})
    return f"version: 1\nprovider: {one}\nprompt: x\n"


def _attacks():
    for name, address in _REFUSED.items():
        yield Attack(FAMILY, name, _CHECK, {"s.yaml": _spec(address)})
        grader = json.dumps({"provider": {"name": "openai", "model": "m", "api_base": address}})
        suite = f"version: 1\nprovider: offline\nprompt: x\ngrader: {grader}\ntests: [{{vars: {{}}, assert: [{{type: llm-rubric, value: good}}]}}]\n"
        for command in (_CHECK, ("throughster-run", "s.yaml")):
            yield Attack(FAMILY, f"grader-{name}-{command[0]}", command, {"s.yaml": suite})
    for address in ("http://127.0.0.1:9/v1", "http://localhost:9/v1", "http://[::1]:9/v1"):
        name = address.split("/")[2].replace(":", "-")
        yield Attack(FAMILY, f"loopback-in-ci-{name}", _CHECK, {"s.yaml": _spec(address, "vllm")}, env=_CI)
        yield Attack(FAMILY, f"loopback-{name}", _CHECK, {"s.yaml": _spec(address, "vllm")}, (0,))
    clear = _spec("http://llm.example/v1")
    yield Attack(
        FAMILY, "key-in-clear", (*_CHECK, "--allow-host", "llm.example"), {"s.yaml": clear}, says="without encryption"
    )
    yield Attack(
        FAMILY, "key-in-clear-allowed", (*_CHECK, "--allow-host", "http://llm.example"), {"s.yaml": clear}, (0,)
    )
    named = {"OPENAI_API_BASE": "http://llm.example/v1", "THROUGHSTER_ALLOWED_HOSTS": "llm.example"}
    plain = "version: 1\nprovider: openai:m\nprompt: x\n"
    yield Attack(FAMILY, "key-in-clear-settings", _CHECK, {"s.yaml": plain}, env=named, says="without encryption")


ATTACKS = tuple(_attacks())
