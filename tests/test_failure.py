"""Error replies: every shape of body, every status, every hint about waiting."""

from __future__ import annotations

import email.utils
import json
import time
from pathlib import Path

import pytest

from throughster import errors
from throughster.providers import PROVIDERS
from throughster.providers.failure import Said, parse_duration_s, read_body, retry_hint_s

WIRE = Path(__file__).parent / "data" / "wire"


def replies(name):
    return [json.loads(line) for line in (WIRE / name).read_text("utf-8").splitlines() if line]


def error_of(reply, provider="openai"):
    body = reply["body"] if isinstance(reply["body"], str) else json.dumps(reply["body"])
    return PROVIDERS[provider].parse_error(reply["status"], reply["headers"], body.encode())


OPENAI = [
    errors.AuthError, errors.NotFoundError, errors.ContextLengthError, errors.BadRequestError, errors.BadRequestError,
    errors.BadRequestError, errors.BadRequestError, errors.RateLimitError, errors.BadRequestError, errors.QuotaError,
    errors.ServerError, errors.ServerError, errors.ServerError,
]  # fmt: skip
AZURE = [
    errors.AuthError, errors.NotFoundError, errors.NotFoundError, errors.RateLimitError, errors.RateLimitError,
    errors.ContentFilterError, errors.ServerError,
]  # fmt: skip
MISTRAL = [
    errors.AuthError, errors.AuthError, errors.BadRequestError, errors.BadRequestError, errors.BadRequestError,
    errors.BadRequestError, errors.BadRequestError, errors.BadRequestError, errors.RateLimitError,
    errors.RateLimitError, errors.RateLimitError,
]  # fmt: skip
VLLM = [
    errors.AuthError, errors.NotFoundError, errors.NotFoundError, errors.ContextLengthError, errors.BadRequestError,
    errors.BadRequestError, errors.ServerError, errors.ServerError, errors.ServerError, errors.BadRequestError,
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("A10_1.http", OPENAI), ("A14_1.http", AZURE), ("A19_1.http", MISTRAL), ("A23_1.http", VLLM)],
)
def test_every_recorded_shape_becomes_its_error(name, kinds):
    made = [error_of(reply) for reply in replies(name)]
    assert [type(error) for error in made] == kinds
    assert all(f" {reply['status']}: " in str(error) for error, reply in zip(made, replies(name), strict=True))


def test_an_error_keeps_what_the_server_said():
    error = error_of(replies("A10_1.http")[7])
    assert (error.http_status, error.code, error.retry_after_s) == (429, "rate_limit_exceeded", 1.35)
    assert "Please try again in 1.35s" in str(error)
    assert error_of(replies("A10_1.http")[0]).request_id == "req_1"


def test_field_errors_name_the_field():
    error = error_of(replies("A19_1.http")[5])
    assert "max_completion_tokens: Extra inputs are not permitted" in str(error)
    assert (error.code, error.param) == ("extra_forbidden", "max_completion_tokens")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"Internal Server Error", "Internal Server Error"),
        (b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b'{"error":"Unauthorized"}', "Unauthorized"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"statusCode":401,"message":"Access denied"}', "Access denied"),
        (b'{"error":{"message":null}}', '{"message":null}'),
        (b"[1,2]", "[1,2]"),
        (b'{"error":{"code":"X","message":"m","innererror":{"code":"Y"}}}', "m"),
        (b"\xff\xfe\x00", "\ufffd\ufffd"),
    ],
)
def test_no_body_is_beyond_reading(body, message):
    assert read_body(body).message == message


def test_a_field_list_in_either_place_is_read():
    assert read_body(b'{"detail":[{"loc":["body","messages"],"msg":"Field required","type":"missing"}]}') == Said(
        "messages: Field required", "missing", "", "messages"
    )


RETRIED = {408, 409, 429, 500, 502, 503, 504, 520, 529}
NOT_RETRIED = {400, 401, 402, 403, 404, 405, 413, 415, 422, 501, 505}


@pytest.mark.parametrize("status", sorted(RETRIED | NOT_RETRIED))
def test_status_decides_about_retry(status):
    assert error_of({"status": status, "headers": {}, "body": "x"}).retryable is (status in RETRIED)


def test_the_server_may_overrule_the_status_but_not_the_quota():
    assert error_of({"status": 500, "headers": {"x-should-retry": "false"}, "body": ""}).retryable is False
    assert error_of({"status": 400, "headers": {"x-should-retry": "true"}, "body": ""}).retryable is True
    quota = {"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}
    assert error_of({"status": 429, "headers": {"x-should-retry": "true"}, "body": quota}).retryable is False


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ms-retry-after-ms": "20"}, 0.02),
        ({"retry-after-ms": "nan", "retry-after": "2"}, 2.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-10"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "Zun, 29 Sep 2024 00:00:00 GMT"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 100000 23:59:59 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "5, 10"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_hint_s(headers) == seconds


def test_retry_after_as_a_date():
    hint = retry_hint_s({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)})
    assert hint is not None
    assert 25 < hint <= 31


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 9.816s.", 9.816),
        ("Please try again in 120ms.", 0.12),
        ("Please try again in 6m0s.", 360.0),
        ("Please retry after 45 seconds.", 45.0),
        ("Please retry later.", None),
    ],
)
def test_a_wait_in_words(words, seconds):
    assert retry_hint_s({}, words) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("1s", 1), ("17ms", 0.017), ("8.64s", 8.64), ("1h2m3s", 3723), ("45", 45), ("2d", 172800),
     ("", None), ("soon", None), ("5 apples", None), ("-1s", None), ("1s x", None), ("1 2", None)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration_s(text) == pytest.approx(seconds) if seconds is not None else parse_duration_s(text) is None


def gemini(quota_id):
    """What Gemini's gateway for OpenAI's clients sends."""
    violations = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "39s"}
    message = "You exceeded your current quota, please check your plan and billing details."
    said = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [violations, wait]}
    return [{"error": said}]


QUOTA_WORDS = [
    gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
    gemini("")[0],
    {"error": {"type": "exceeded_current_quota_error", "message": "Please check your plan and billing details"}},
    {"error": {"message": "Your team has used all available credits."}},
    {"error": "Insufficient balance"},
    {"message": "Your credit balance is too low to access the API."},
    {"detail": "Monthly spending limit reached."},
    {"error": {"message": "You have reached your monthly spending limit."}},
    {"error": "You have exceeded your monthly included credits for inference."},
    {"code": 30001, "message": "Sorry, your account balance is insufficient"},
    {"error": {"message": "Account x is suspended, possibly due to reaching the monthly spending limit"}},
    {"message": "You are using a Trial key, which is limited to 1000 API calls / month."},
    {"error": {"message": "The quota has been exhausted."}},
]
RATE_WORDS = [
    gemini("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
    {"error": {"message": "Quota exceeded for metric 'requests' and limit 'requests per minute'."}},
    {"error": {"message": "Rate limit reached on TPM. Add a payment method at https://x.example/account/billing."}},
    {
        "error": {
            "message": "Requests exceeded the token rate limit. See https://aka.example/quotaincrease to increase it."
        }
    },
    {"message": "Requests rate limit exceeded"},
]


@pytest.mark.parametrize(
    ("body", "kind"),
    [*((body, errors.QuotaError) for body in QUOTA_WORDS), *((body, errors.RateLimitError) for body in RATE_WORDS)],
)
def test_a_429_about_the_account_is_told_from_one_about_the_pace(body, kind):
    assert type(error_of({"status": 429, "headers": {}, "body": body})) is kind


def test_a_wait_in_the_details_is_heard():
    error = error_of({"status": 429, "headers": {}, "body": gemini("GenerateRequestsPerMinute")})
    assert (error.retry_after_s, error.retryable) == (39.0, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360.0),
        ({"x-ratelimit-reset-tokens": "20ms", "x-ratelimit-remaining-tokens": "0"}, 0.02),
        ({"x-ratelimit-reset-requests": "12", "x-ratelimit-remaining-requests": " 0 "}, 12.0),
        ({"ratelimit-reset": "12", "ratelimit-remaining": "0"}, 12.0),
        ({"x-rate-limit-reset-tokens": "12", "x-rate-limit-remaining-tokens": "0"}, 12.0),
        ({"x-ratelimit-reset": "1700000012", "x-ratelimit-remaining": "0"}, 12.0),
        ({"x-ratelimit-reset": "1700000012000", "x-ratelimit-remaining": "0"}, 12.0),
        ({"x-ratelimit-reset": "1700000000", "x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-reset-tokens": "2023-11-14T22:13:32Z", "x-ratelimit-remaining-tokens": "-3"}, 12.0),
        ({"x-ratelimit-reset-tokens": "2023-11-14T22:13:32", "x-ratelimit-remaining-tokens": "0.0"}, 12.0),
        ({"ratelimit-reset": "Tue, 14 Nov 2023 22:13:32 GMT", "ratelimit-remaining": "0"}, 12.0),
        ({"svc-ratelimit-requests-reset": "12s", "svc-ratelimit-requests-remaining": "0"}, 12.0),
        ({"x-ratelimit-reset-tokens": "12", "x-ratelimit-remaining-tokens": "7"}, None),
        ({"x-ratelimit-reset-tokens": "12"}, None),
        ({"x-ratelimit-reset-tokens": "soon", "x-ratelimit-remaining-tokens": "0"}, None),
        (
            {
                "x-ratelimit-reset-tokens": "3s", "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-requests": "5s", "x-ratelimit-remaining-requests": "0",
            },
            5.0,
        ),
    ],
)  # fmt: skip
def test_when_a_limit_is_whole_again(headers, seconds, monkeypatch):
    monkeypatch.setattr("throughster.providers.failure.time.time", lambda: 1_700_000_000.0)
    assert error_of({"status": 429, "headers": headers, "body": {}}).reset_after_s == seconds
