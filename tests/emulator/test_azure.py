"""Azure's dialect: deployments, api-versions, content filters."""

from __future__ import annotations

import pytest

LEGACY = "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
NOT_FOUND = {"error": {"code": "404", "message": "Resource not found"}}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (LEGACY, 200),
        ("/openai/v1/chat/completions", 200),
        ("/openai/v1/chat/completions?api-version=preview", 200),
        ("/openai/deployments/my-deployment/chat/completions", 404),
        ("/openai/deployments/my-deployment/chat/completions?api-version=v1", 404),
        ("/openai/v1/openai/deployments/d/chat/completions?api-version=2024-10-21", 404),
        ("/v1/chat/completions", 404),
    ],
)
def test_both_addresses_answer_and_all_others_are_resource_not_found(ask, path, status):
    reply = ask("azure", path=path)
    assert reply.status == status
    if status == 404:
        assert reply.body == NOT_FOUND


def test_a_dated_version_is_not_supported_on_the_v1_route(ask):
    reply = ask("azure", path="/openai/v1/chat/completions?api-version=2024-10-21")
    assert (reply.status, reply.body["error"]["message"]) == (400, "API version not supported")


@pytest.mark.parametrize("path", ["/openai/models?api-version=2024-10-21", "/openai/v1/models"])
def test_models_are_listed_at_both_addresses(ask, path):
    assert ask("azure", method="GET", path=path).body["object"] == "list"


def test_the_deployment_comes_from_the_path_or_from_the_model(ask):
    missing = {
        "error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}
    }
    options = {"model": "my-deployment"}
    assert ask("azure", options=options, path=LEGACY, model="ignored").status == 200
    assert ask("azure", options=options, path=LEGACY, model=None).status == 200
    other = LEGACY.replace("my-deployment", "other")
    assert (ask("azure", options=options, path=other).status, ask("azure", options=options, path=other).body) == (
        404,
        missing,
    )
    assert ask("azure", options=options).status == 200
    assert ask("azure", options=options, model="gpt-4o").body == missing
    assert ask("azure", model=None).status == 400


@pytest.mark.parametrize("headers", [{"api-key": "k"}, {"Authorization": "Bearer k"}])
def test_the_key_comes_in_either_header(ask, headers):
    assert ask("azure", options={"api_key": "k"}, headers=headers).status == 200


@pytest.mark.parametrize("headers", [{}, {"api-key": "x"}, {"Authorization": "Bearer x"}])
def test_a_wrong_key_is_access_denied(ask, headers):
    reply = ask("azure", options={"api_key": "k"}, headers=headers)
    message = "Access denied due to invalid subscription key or wrong API endpoint."
    assert (reply.status, reply.body) == (401, {"error": {"code": "401", "message": message}})
    assert reply.headers["apim-request-id"]


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("2024-06-01", {"stream": True, "stream_options": {"include_usage": True}}),
        ("2024-06-01", {"max_completion_tokens": 5}),
        ("2024-10-21", {"reasoning_effort": "low"}),
        ("2024-10-21", {"top_k": 5}),
    ],
)
def test_a_field_newer_than_the_api_version_is_unrecognized(ask, version, fields):
    reply = ask("azure", path=LEGACY.replace("2024-10-21", version), **fields)
    name = list(fields)[-1]
    assert (reply.status, reply.body["error"]["message"]) == (400, f"Unrecognized request argument supplied: {name}")


def test_a_field_is_taken_from_its_first_api_version_on(ask):
    path = LEGACY.replace("2024-10-21", "2024-09-01-preview")
    assert ask("azure", path=path, max_completion_tokens=5).status == 200


def test_structured_output_needs_an_api_version_that_has_it(ask):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    old = LEGACY.replace("2024-10-21", "2024-06-01")
    assert ask("azure", path=LEGACY, response_format=wanted).status == 200
    assert ask("azure", path=old, response_format=wanted).body["error"]["param"] == "response_format"


def test_a_whole_answer_reports_the_filters_and_the_model_behind_the_deployment(ask):
    body = ask("azure", path=LEGACY).body
    assert body["model"] == "gpt-4o-2024-11-20"
    assert body["prompt_filter_results"][0]["prompt_index"] == 0
    assert body["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    assert "service_tier" not in body


def test_a_stream_begins_with_a_chunk_of_the_prompts_filters(ask):
    opening, role, *deltas, finish, usage = ask(
        "azure", path=LEGACY, stream=True, stream_options={"include_usage": True}
    ).chunks
    assert (opening["choices"], opening["id"], opening["model"], opening["created"]) == ([], "", "", 0)
    assert opening["prompt_filter_results"]
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert role["choices"][0]["content_filter_results"] == {}
    assert all(chunk["choices"][0]["content_filter_results"]["hate"] for chunk in deltas)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["total_tokens"]
    assert "obfuscation" not in role


def test_rate_limit_resets_are_bare_seconds(ask):
    headers = ask("azure").headers
    assert headers["x-ratelimit-reset-requests"].isdigit()
    assert headers["x-ratelimit-reset-tokens"].isdigit()
    assert headers["apim-request-id"].count("-") == 4
