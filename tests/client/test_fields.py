"""Which fields a service takes: by its address, and by what it refuses."""

from __future__ import annotations

import pytest

from throughster import errors
from throughster.client import MistralInterface, OpenAiInterface
from throughster.providers import PROVIDERS
from throughster.types import Retry

OK = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
ASK = {"messages": [{"role": "user", "content": "hi"}]}
ONCE = Retry(max_attempts=1)


def refusing(name, said, status=400):
    """A server that refuses the field `name` in these words."""
    seen = []

    def reply(body, _):
        seen.append(body)
        return (status, {}, said) if name in body else OK

    reply.seen = seen
    return reply


PYDANTIC = "[{'type': 'extra_forbidden', 'loc': ('body', '%s'), 'msg': 'Extra inputs are not permitted', 'input': 50}]"
REFUSALS = [
    {"object": "error", "message": PYDANTIC, "type": "BadRequestError", "param": None, "code": 400},
    {"error": {"message": "property '%s' is unsupported", "type": "invalid_request_error"}},
    {"error": {"message": "Unknown parameter: '%s'."}},
    {"error": {"message": 'json: unknown field "%s"'}},
    [{"error": {"message": 'Invalid JSON payload received. Unknown name "%s": Cannot find field.'}}],
    {"error": [{"message": "Unsupported parameter: '%s'"}]},
    {"detail": [{"type": "extra_forbidden", "loc": ["body", "%s"], "msg": "Extra inputs are not permitted"}]},
    {"detail": "1 validation error for Request\n%s\n  Extra inputs are not permitted [type=extra_forbidden]"},
    {"message": "Additional properties are not allowed ('%s' was unexpected)"},
    {"error": "create() got an unexpected keyword argument '%s'"},
    {"error": {"message": "Unrecognized request argument supplied: %s"}},
    {"error": {"message": "The parameter `%s` is not supported by this model."}},
    {"error": {"message": "`%s` is deprecated for this model."}},
    {"error": {"message": "Extra inputs are not permitted, field: '%s', value: 50"}},
    {"message": "Malformed input request: extraneous key [%s] is not permitted, please reformat your input."},
    {"error": "Argument not supported on this model: %s"},
    {"error": {"message": "litellm.UnsupportedParamsError: x does not support parameters: ['%s'], for model=y"}},
    {"error": {"message": "This model does not support the %s parameter"}},
    {"error": {"message": "Unrecognized key(s) in object: '%s'"}},
]


def in_words(said, name):
    if isinstance(said, str):
        return said.replace("%s", name)
    if isinstance(said, list):
        return [in_words(part, name) for part in said]
    return {key: in_words(part, name) for key, part in said.items()} if isinstance(said, dict) else said


@pytest.mark.parametrize("said", REFUSALS)
@pytest.mark.parametrize(
    ("name", "becomes"),
    [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens"), ("top_p", None)],
)
def test_a_refused_field_is_known_in_the_words_of_many_servers(scripted, said, name, becomes):
    reply = refusing(name, in_words(said, name))
    with scripted(reply) as base:
        client = OpenAiInterface(api_base=f"{base}/v1", model_name="m", retry=ONCE)
        for _ in range(2):
            assert client.sync_call({**ASK, name: 1}).content == "hi"
    assert [name in body for body in reply.seen] == [True, False, False]
    assert becomes is None or reply.seen[-1][becomes] == 1


@pytest.mark.parametrize(
    "words",
    [
        "temperature must be between 0 and 1",
        "Invalid value for 'temperature': 3 is not allowed",
        "The value of temperature is too high",
        "Unknown model 'temperature-1'",
    ],
)
def test_a_value_that_is_wrong_is_not_left_out(scripted, words):
    reply = refusing("temperature", {"error": {"message": words}})
    with scripted(reply) as base, pytest.raises(errors.BadRequestError):
        OpenAiInterface(api_base=f"{base}/v1", model_name="m", retry=ONCE).sync_call({**ASK, "temperature": 3})
    assert len(reply.seen) == 1


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://api.openai.com.gateway.example/v1", "max_tokens"),
        ("https://gateway.example/api.openai.com/v1", "max_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
    ],
)
def test_the_newer_name_goes_to_openai_alone(address, sent):
    assert PROVIDERS["openai"].at(address).build_fields({"max_tokens": 5}) == {sent: 5}


def test_the_beginning_of_an_answer_is_told_to_mistral(scripted):
    seen = []

    def reply(body, _):
        seen.append(body["messages"])
        return OK

    start = {"role": "assistant", "content": "Sure,"}
    with scripted(reply) as base:
        client = MistralInterface(api_base=f"{base}/v1", model_name="m", retry=ONCE)
        client.sync_call({"messages": [*ASK["messages"], start]})
        client.sync_call({"messages": [*ASK["messages"], start, *ASK["messages"]]})
        client.sync_call({"messages": [*ASK["messages"], {**start, "prefix": False}]})
    assert [[message.get("prefix") for message in messages] for messages in seen] == [
        [None, True],
        [None, None, None],
        [None, False],
    ]
    assert start == {"role": "assistant", "content": "Sure,"}
