"""Azure's addresses."""

from __future__ import annotations

import pytest

from throughster.providers import PROVIDERS

AZURE = PROVIDERS["azure"]
RES = "https://res.openai.azure.com"


@pytest.mark.parametrize(
    ("base", "version", "expected"),
    [
        (RES, "2024-10-21", f"{RES}/openai/deployments/d/chat/completions"),
        (f"{RES}/", "2024-10-21", f"{RES}/openai/deployments/d/chat/completions"),
        (f"{RES}/v1", "2024-10-21", f"{RES}/openai/deployments/d/chat/completions"),
        (f"{RES}/openai/v1/", "2024-10-21", f"{RES}/openai/deployments/d/chat/completions"),
        (f"{RES}/openai/deployments/x", "2024-10-21", f"{RES}/openai/deployments/x/chat/completions"),
        (f"{RES}/proxy", "2025-04-01-preview", f"{RES}/proxy/openai/deployments/d/chat/completions"),
        (RES, None, f"{RES}/openai/v1/chat/completions"),
        (RES, "v1", f"{RES}/openai/v1/chat/completions"),
        (f"{RES}/openai", "latest", f"{RES}/openai/v1/chat/completions"),
        (f"{RES}/openai/v1", "preview", f"{RES}/openai/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1", None, "http://127.0.0.1:8000/v1/chat/completions"),
    ],
)
def test_chat_addresses(base, version, expected):
    assert AZURE.url(base, "/chat/completions", model="d", api_version=version) == expected


def test_model_lists():
    assert AZURE.url(RES, "/models", model="d", api_version="2024-10-21") == f"{RES}/openai/models"
    assert (
        AZURE.url(f"{RES}/openai/deployments/x", "/models", model="d", api_version="2024-10-21")
        == f"{RES}/openai/models"
    )
    assert AZURE.url(RES, "/models", model="d", api_version=None) == f"{RES}/openai/v1/models"


@pytest.mark.parametrize(
    ("version", "query"),
    [
        (None, {}),
        ("v1", {}),
        ("latest", {}),
        ("preview", {"api-version": "preview"}),
        ("2024-10-21", {"api-version": "2024-10-21"}),
    ],
)
def test_versions_in_the_query(version, query):
    assert dict(AZURE.query(version)) == query


def test_old_versions_know_only_the_old_names():
    assert AZURE.build_fields({"max_tokens": 5}, "2024-02-01") == {"max_tokens": 5}
    assert AZURE.build_fields({"max_tokens": 5}, "2024-10-21") == {"max_completion_tokens": 5}
    assert [AZURE.asks_for_usage(v) for v in ("2024-02-01", "2024-10-21", None)] == [False, True, True]
