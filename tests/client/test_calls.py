"""What a client does around one question: retry, errors, limits, keys."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from throughster import errors
from throughster.client import AzureInterface, OpenAiInterface, VllmInterface, create_interface
from throughster.types import Limits, Retry

REQUEST = {"messages": [{"role": "user", "content": "Say hi"}], "temperature": 0.2}
FAST = Retry(initial_delay_s=0.001, max_delay_s=0.002)
OK = {
    "id": "1",
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def scripted(*replies):
    """A handler that gives the replies in turn, the last one for ever, and keeps the requests it saw."""
    seen = []

    async def handler(request):
        raw = await request.read()
        seen.append((request.path_qs, dict(request.headers), json.loads(raw) if raw else None))
        reply = replies[min(len(seen), len(replies)) - 1]
        if isinstance(reply, web.Response):
            return reply
        if callable(reply):
            return await reply(request)
        status, body, headers = reply if isinstance(reply, tuple) else (200, reply, {})
        return web.json_response(body, status=status, headers=headers)

    handler.seen = seen
    return handler


def call(serving, handler, cls=OpenAiInterface, request=REQUEST, method="call", args=(), **options):
    async def scenario():
        async with serving(handler) as origin:
            options.setdefault("model_name", "m")
            options.setdefault("retry", FAST)
            async with cls(api_base=f"{origin}/v1", **options) as client:
                return await getattr(client, method)(request, *args)

    return asyncio.run(scenario())


def test_an_answer_comes_with_its_course(serving):
    handler = scripted(OK)
    response = call(serving, handler)
    assert (response.content, response.model, response.source) == ("hi", "m-1", "openai:m")
    assert [(a.n, a.kind, a.http_status, a.error) for a in response.retry_stats.attempts] == [
        (1, "transport", 200, None)
    ]
    path, _, body = handler.seen[0]
    assert path == "/v1/chat/completions"
    assert body == {"model": "m", "temperature": 0.2, "messages": REQUEST["messages"]}


def test_a_callers_request_is_not_changed(serving):
    request = {"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "f", "parameters": {}}], "seed": 1}
    before = json.dumps(request)
    call(serving, scripted(OK), request=request)
    call(
        serving,
        scripted({**OK, "choices": [{"message": {"content": '{"value": 7}'}}]}),
        request=request,
        method="structured_call",
        args=({"type": "integer"},),
    )
    assert json.dumps(request) == before


def test_a_misspelt_field_raises_before_sending(serving):
    handler = scripted(OK)
    with pytest.raises(errors.RequestError, match="`tempurature`. Did you mean `temperature`"):
        call(serving, handler, request={**REQUEST, "tempurature": 1})
    assert handler.seen == []


def test_extra_body_goes_out_as_it_is(serving):
    handler = scripted(OK)
    call(serving, handler, request={**REQUEST, "extra_body": {"brand_new": 1}})
    assert handler.seen[0][2]["brand_new"] == 1
    assert "extra_body" not in handler.seen[0][2]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_failure_that_may_pass_is_sent_again(serving, status):
    handler = scripted((status, {"error": {"message": "later"}}, {}), OK)
    response = call(serving, handler)
    assert [(a.http_status, a.error is None) for a in response.retry_stats.attempts] == [(status, False), (200, True)]
    assert len(handler.seen) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, errors.BadRequestError), (401, errors.AuthError), (403, errors.AuthError), (404, errors.NotFoundError),
     (413, errors.BadRequestError), (422, errors.BadRequestError)],
)  # fmt: skip
def test_a_failure_that_stays_is_sent_once(serving, status, kind):
    handler = scripted((status, {"error": {"message": "no"}}, {}))
    with pytest.raises(kind) as caught:
        call(serving, handler)
    assert len(handler.seen) == 1
    assert (caught.value.http_status, len(caught.value.attempts)) == (status, 1)


def test_quota_is_not_retried(serving):
    handler = scripted(
        (429, {"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}, {})
    )
    with pytest.raises(errors.QuotaError):
        call(serving, handler)
    assert len(handler.seen) == 1


def test_the_server_is_given_the_time_it_asked_for(serving):
    handler = scripted((429, {"error": {"message": "slow down"}}, {"retry-after-ms": "200"}), OK)
    response = call(serving, handler)
    assert 0.2 <= response.retry_stats.attempts[1].waited_s < 2


@pytest.mark.parametrize("value", ["nan", "-5", "١٠", "inf", "1e99", "tomorrow"])
def test_a_hint_that_is_no_time_does_no_harm(serving, value):
    response = call(serving, scripted((429, {}, {"retry-after": value}), OK))
    assert response.retry_stats.waited_s < 1


def test_a_day_long_hint_fails_at_once_and_is_told(serving):
    with pytest.raises(errors.RateLimitError) as caught:
        call(serving, scripted((429, {}, {"retry-after": "86400"})))
    assert (caught.value.retry_after_s, len(caught.value.attempts)) == (86400, 1)


def test_sends_are_bounded(serving):
    handler = scripted((500, {}, {}))
    with pytest.raises(errors.ServerError) as caught:
        call(serving, handler, retry=Retry(max_attempts=3, initial_delay_s=0.001))
    assert len(handler.seen) == len(caught.value.attempts) == 3


def test_a_reset_connection_is_sent_again(serving):
    async def reset(request):
        request.transport.abort()
        return web.Response()

    assert call(serving, scripted(reset, OK)).content == "hi"


def test_a_redirect_gets_neither_key_nor_prompt(serving):
    handler = scripted(web.Response(status=307, headers={"Location": "http://127.0.0.1:9/v1"}))
    with pytest.raises(errors.TransportError, match="Redirects are not followed"):
        call(serving, handler, api_key="sk-canary-1")
    assert len(handler.seen) == 1


def test_a_key_that_the_server_echoes_is_hidden(serving):
    key = "sk-canary-0123456789"
    with pytest.raises(errors.AuthError) as caught:
        call(serving, scripted((401, {"error": {"message": f"Incorrect API key provided: {key}"}}, {})), api_key=key)
    assert key not in str(caught.value)
    assert key not in repr(caught.value.attempts)


def test_a_field_that_the_model_refuses_is_renamed_once_and_remembered(serving, caplog):
    refusal = {
        "error": {
            "message": "Use 'max_completion_tokens' instead.",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        }
    }
    handler = scripted((400, refusal, {}), OK)

    async def scenario():
        async with serving(handler) as origin, OpenAiInterface(api_base=f"{origin}/v1", model_name="m") as client:
            await client.call({**REQUEST, "max_tokens": 5})
            await client.call({**REQUEST, "max_tokens": 6})

    asyncio.run(scenario())
    bodies = [body for _, _, body in handler.seen]
    assert [body.get("max_tokens") for body in bodies] == [5, None, None]
    assert [body.get("max_completion_tokens") for body in bodies] == [None, 5, 6]
    assert [record.message for record in caplog.records] == [
        "openai:m does not take `max_tokens`; it is sent as `max_completion_tokens`."
    ]


def test_a_temperature_that_the_model_refuses_is_left_out_unless_that_is_switched_off(serving):
    refusal = (400, {"error": {"message": "no", "param": "temperature", "code": "unsupported_value"}}, {})
    handler = scripted(refusal, OK)
    assert call(serving, handler).content == "hi"
    assert ["temperature" in body for _, _, body in handler.seen] == [True, False]
    with pytest.raises(errors.BadRequestError):
        call(serving, scripted(refusal, OK), adapt=False)


def test_questions_under_way_while_something_is_learned_are_not_lost(serving):
    async def handler(request):
        body = await request.json()
        await asyncio.sleep(0.03)
        refusal = {"error": {"message": "no", "param": "temperature", "code": "unsupported_value"}}
        return web.json_response(refusal if "temperature" in body else OK, status=400 if "temperature" in body else 200)

    answers = call(serving, handler, request=[REQUEST] * 20, method="batch_call")
    assert [answer.content for answer in answers] == ["hi"] * 20


def test_what_one_model_refuses_another_is_still_asked(serving):
    bodies = []

    async def handler(request):
        body = await request.json()
        bodies.append(body)
        refused = body["model"] == "m" and "temperature" in body
        refusal = {"error": {"message": "no", "param": "temperature", "code": "unsupported_value"}}
        return web.json_response(refusal if refused else OK, status=400 if refused else 200)

    async def scenario():
        async with serving(handler) as origin, OpenAiInterface(api_base=f"{origin}/v1", model_name="m") as client:
            await client.call(REQUEST)
            await client.call({**REQUEST, "model": "other"})
            return client.capabilities()

    assert asyncio.run(scenario())["left_out"] == ["temperature"]
    assert [(body["model"], "temperature" in body) for body in bodies] == [("m", True), ("m", False), ("other", True)]


def test_an_unrecognized_argument_is_read_by_its_whole_name(serving):
    refusal = (400, {"error": {"message": "Unrecognized request argument supplied: parallel_tool_calls"}}, {})
    handler = scripted(refusal, OK)
    call(serving, handler, request={**REQUEST, "n": 1, "parallel_tool_calls": False})
    assert ["parallel_tool_calls" in body for _, _, body in handler.seen] == [True, False]
    assert handler.seen[1][2]["n"] == 1


def test_a_key_among_the_headers_is_hidden_too(serving):
    key = "HEADER-canary-0123456789"
    with pytest.raises(errors.AuthError) as caught:
        call(
            serving,
            scripted((401, {"error": {"message": f"bad key {key}", "code": key}}, {})),
            headers={"api-key": key},
        )
    assert key not in f"{caught.value!r}{caught.value.__dict__}"
    assert key not in repr(OpenAiInterface(api_base="http://127.0.0.1:9/v1", headers={"api-key": key}).address)


def test_azure_asks_the_deployment_that_the_request_names(serving):
    handler = scripted(OK)
    options = {"cls": AzureInterface, "api_version": "2024-10-21", "api_key": "k"}
    call(serving, handler, request={**REQUEST, "model": "a/b"}, **options)
    assert handler.seen[0][0].startswith("/openai/deployments/a%2Fb/chat/completions")
    with pytest.raises(errors.RequestError, match="Which model of Azure OpenAI"):
        call(serving, handler, model_name=None, **options)


@pytest.mark.parametrize(
    "request_",
    [None, "hi", {}, {"messages": "hi"}, {**REQUEST, "stream": True}, {**REQUEST, "temperature": float("nan")}],
)
def test_what_is_no_request_raises_before_sending(serving, request_):
    handler = scripted(OK)
    with pytest.raises(errors.RequestError):
        call(serving, handler, request=request_)
    assert handler.seen == []


@pytest.mark.parametrize(
    "reply",
    [{"choices": []}, {"choices": [{"message": None}]}, {"choices": [{"message": {"tool_calls": [None]}}]},
     {"choices": [{"message": {"content": "x"}}], "usage": "y"}, {"choices": [{"message": {"content": "x"}}], "usage": 5}],
)  # fmt: skip
def test_a_malformed_answer_is_the_providers_error(serving, reply):
    with pytest.raises(errors.ServerError, match="no chat completion") as caught:
        call(serving, scripted(reply), retry=Retry(max_attempts=2, initial_delay_s=0.001))
    assert [(a.n, a.error is None) for a in caught.value.attempts] == [(1, False), (2, False)]


def test_numbers_that_are_none_in_logprobs_are_taken(serving):
    body = b'{"choices":[{"index":1,"message":{"content":"no"}},{"index":0,"message":{"content":"hi"},"logprobs":{"content":[{"token":"hi","logprob":-Infinity}]}}]}'
    response = call(serving, scripted(web.Response(body=body, content_type="application/json")))
    assert (response.content, response.logprobs["content"][0]["logprob"]) == ("hi", float("-inf"))


def test_what_a_request_is_about_is_never_left_out(serving):
    refusal = (400, {"error": {"message": "no", "param": "tools", "code": "unsupported_parameter"}}, {})
    with pytest.raises(errors.BadRequestError):
        call(serving, scripted(refusal, OK), request={**REQUEST, "tools": [{"name": "f"}]})


def test_a_filtered_answer_raises_with_what_there_was(serving):
    filtered = {**OK, "choices": [{"finish_reason": "content_filter", "message": {"content": "par"}}]}
    with pytest.raises(errors.ContentFilterError) as caught:
        call(serving, scripted(filtered))
    assert caught.value.partial == "par"


def test_length_and_refusal_come_back_as_they_are(serving):
    cut = {**OK, "choices": [{"finish_reason": "length", "message": {"content": "par", "refusal": "no"}}]}
    response = call(serving, scripted(cut))
    assert (response.finish_reason, response.refusal) == ("length", "no")


def test_no_more_are_under_way_than_allowed(serving):
    under_way = most = 0

    async def slow(request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.json_response(OK)

    responses = call(
        serving,
        scripted(slow),
        request=[REQUEST] * 30,
        method="batch_call",
        limits=Limits(max_in_flight=4, adaptive=False),
    )
    assert len(responses) == 30
    assert most == 4


def test_one_failure_does_not_lose_the_others(serving):
    async def second_fails(request):
        body = await request.json()
        fails = body["messages"][0]["content"] == "bad"
        return web.json_response({"error": {"message": "no"}} if fails else OK, status=400 if fails else 200)

    requests = [{"messages": [{"role": "user", "content": text}]} for text in ("a", "bad", "c")]

    async def endless():
        for request in requests:
            yield request

    with pytest.raises(errors.BatchError, match="1 of 3 requests failed") as caught:
        call(serving, scripted(second_fails), request=iter(requests), method="batch_call")
    assert [getattr(r, "content", type(r)) for r in caught.value.results] == ["hi", errors.BadRequestError, "hi"]

    async def scenario():
        async with (
            serving(scripted(second_fails)) as origin,
            VllmInterface(api_base=f"{origin}/v1", model_name="m") as client,
        ):
            return await client.batch_call(endless(), return_exceptions=True)

    assert [type(r).__name__ for r in asyncio.run(scenario())] == ["Response", "BadRequestError", "Response"]


def test_an_unknown_provider_is_named():
    with pytest.raises(errors.SettingsError, match="Unknown provider `opnai`. Did you mean `openai`"):
        create_interface("opnai")


def test_direct_initialisation_without_key_or_model(serving):
    handler = scripted(OK)

    async def scenario():
        async with serving(handler) as origin:
            client = OpenAiInterface(api_base=f"{origin}/d", headers={"api-key": "K"}, params={"api-version": "V"})
            async with client:
                return await client.call(REQUEST)

    asyncio.run(scenario())
    path, headers, body = handler.seen[0]
    assert (path, headers["api-key"], "Authorization" in headers, "model" in body) == (
        "/d/chat/completions?api-version=V",
        "K",
        False,
        False,
    )


def test_calls_alike_but_for_their_messages_are_sent_as_they_are(serving):
    """The question of an earlier call is used again only where every field is the same, to the type."""
    handler = scripted(OK)
    fields = [
        {"stop": ["a"]},
        {"seed": 1},
        {"stop": ["a"]},
        {"seed": True},
        {"seed": 1.0},
        {"stop": ["b"]},
        {"seed": 1},
    ]

    async def scenario():
        async with serving(handler) as origin, OpenAiInterface(api_base=f"{origin}/v1", model_name="m") as client:
            for n, each in enumerate(fields):
                await client.call({"messages": [{"role": "user", "content": str(n)}], **each})
            await client.call({"messages": REQUEST["messages"], "temperature": None})
            with pytest.raises(errors.RequestError, match="`temperature` must be a number"):
                await client.call({"messages": REQUEST["messages"], "temperature": float("nan")})

    asyncio.run(scenario())
    bodies = [body for _, _, body in handler.seen]
    assert [body["messages"][0]["content"] for body in bodies[:-1]] == [str(n) for n in range(len(fields))]
    sent = [{name: body[name] for name in ("stop", "seed") if name in body} for body in bodies]
    assert [repr(each) for each in sent[:-1]] == [repr(each) for each in fields]


def test_a_list_changed_between_two_calls_is_sent_as_it_is_then(serving):
    """Also when the question is encoded anew, since the model refused another of its fields."""
    refusal = (400, {"error": {"message": "no", "param": "temperature", "code": "unsupported_parameter"}}, {})
    handler = scripted(OK, OK, refusal, OK)
    stop = ["a"]

    async def scenario():
        async with serving(handler) as origin, OpenAiInterface(api_base=f"{origin}/v1", model_name="m") as client:
            await client.call({**REQUEST, "stop": stop})
            stop.append("b")
            await client.call({**REQUEST, "stop": stop})
            await client.call({**REQUEST, "stop": ["a"]})

    asyncio.run(scenario())
    assert [body["stop"] for _, _, body in handler.seen] == [["a"], ["a", "b"], ["a"], ["a"]]
    assert "temperature" not in handler.seen[-1][2]
