"""Wrong requests and options: each is a RequestError that says what is wrong, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from throughster import errors
from throughster.balance import LoadBalancer
from throughster.client import OpenAiInterface, VllmInterface
from throughster.types import Retry

ASK = {"messages": [{"role": "user", "content": "Say hi"}]}


class City(BaseModel):
    name: str


class Callback(BaseModel):
    call: Callable[[], None]


def look(city: str) -> str:
    return city


NOWHERE = {"api_base": "http://127.0.0.1:9/v1", "model_name": "m", "retry": Retry(max_attempts=1)}


def raised(method, *args, cls=OpenAiInterface, **options):
    """What the method raises of a client whose server is not there: a request that is sent is a TransportError."""

    async def scenario():
        async with cls(**NOWHERE) as client:
            if method == "stream":
                return [text async for text in client.stream(*args)]
            return await getattr(client, method)(*args, **options)

    with pytest.raises(errors.ThroughsterError) as caught:
        asyncio.run(scenario())
    assert isinstance(caught.value, errors.RequestError), repr(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("method", ["call", "stream", "structured_call", "tools_call", "nlg_evaluation"])
@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (None, "A request is a mapping with `messages`, found NoneType."),
        ("hi", "A request is a mapping with `messages`, found str."),
        ({}, "The request has no `messages`."),
        ({"messages": "hi"}, "`messages` must be a list of mappings"),
        ({**ASK, 5: 1}, "The names of a request's fields are texts, found 5."),
        ({**ASK, "model": ["m"]}, "`model` must be the model's name, found list."),
        ({**ASK, "extra_body": [1]}, "`extra_body` must be a mapping of fields, found list."),
        ({**ASK, "tools": City}, "`tools` must be a list of tools. Write a single tool as [tool]."),
    ],
)
def test_what_is_no_request(method, request_, said):
    beside = {"structured_call": (City,), "tools_call": ([City],), "nlg_evaluation": ("Grade it.",)}
    assert raised(method, request_, *beside.get(method, ())).startswith(said)


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (None, "NoneType"),
        ("City", "str"),
        (City(name="Oslo"), "City"),
        (int, "the class int"),
        (False, "bool"),
    ],
)
@pytest.mark.parametrize("method", ["structured_call", "structured_batch_call"])
def test_what_is_no_schema(method, schema, found):
    asked = ASK if method == "structured_call" else [ASK]
    said = f"`schema` must be a pydantic model class or a JSON Schema as a dict, found {found}."
    assert raised(method, asked, schema) == said


@pytest.mark.parametrize(
    ("schema", "options", "said"),
    [
        ({"type": "strin"}, {}, "Unknown type `strin`. Did you mean `string`?"),
        (Callback, {}, "`Callback` has no JSON Schema: "),
        (City, {"strategy": "json_scheme"}, "There is no strategy `json_scheme`. Did you mean `json_schema`?"),
        (City, {"strategy": None}, "There is no strategy `None`."),
        (City, {"max_attempts": 0}, "`max_attempts` must be a whole number from 1 on, found 0."),
        (City, {"max_attempts": 1.5}, "`max_attempts` must be a whole number from 1 on, found 1.5."),
        (City, {"max_attempts": "3"}, "`max_attempts` must be a whole number from 1 on, found '3'."),
    ],
)
def test_a_batch_says_at_once_what_a_single_call_says(schema, options, said):
    assert said in raised("structured_call", ASK, schema, **options)
    assert said in raised("structured_batch_call", [ASK] * 3, schema, **options)


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([], "`tools` is empty"),
        (None, "`tools` must be a list of tools"),
        (City, "`tools` must be a list of tools"),
        (look, "`tools` must be a list of tools"),
        ("look", "`tools` must be a list of tools"),
        ({"name": "look"}, "`tools` must be a list of tools"),
        ([Callback], "`Callback` cannot be a tool: "),
    ],
)
def test_what_are_no_tools(tools, said):
    assert raised("tools_call", ASK, tools).startswith(said)


def test_a_tool_cannot_be_wanted_and_forbidden():
    assert raised("tools_call", {**ASK, "tool_choice": "none"}, [look]).startswith("`tool_choice` is `none`")
    assert raised("tools_call", ASK, [look], max_attempts=0).startswith("`max_attempts` must be a whole number")


@pytest.mark.parametrize("requests", [None, ASK, "hi", 7])
def test_what_is_no_batch(requests):
    found = type(requests).__name__
    assert raised("batch_call", requests) == f"`requests` must be a list or an iterator of requests, found {found}."


@pytest.mark.parametrize("most", [0, -1, "4", 2.5])
def test_how_many_are_under_way_is_a_whole_number(most):
    assert raised("batch_call", [ASK], max_in_flight=most).startswith(
        "`max_in_flight` must be a whole number from 1 on"
    )


@pytest.mark.parametrize("scores", [[], [1, 1], [-1, 1], [0.5, 1], ["a", "b"]])
def test_what_are_no_scores(scores):
    assert raised("nlg_evaluation", ASK, "Grade it.", scores=scores).startswith(
        "`scores` must be different whole numbers"
    )


@pytest.mark.parametrize("protocol", [None, 5, ["Grade it."]])
def test_what_is_no_protocol(protocol):
    assert raised("nlg_evaluation", ASK, protocol).startswith("`protocol` must be text or a list of messages")


def test_a_balancer_says_the_same():
    with pytest.raises(errors.RequestError, match="`schema` must be"):
        LoadBalancer([VllmInterface(**NOWHERE)]).sync_structured_call(ASK, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limits": {"max_in_flight": 3}}, "`limits` must be of the type Limits, found dict."),
        ({"timeout": 5}, "`timeout` must be of the type Timeout, found int."),
        ({"retry": 5}, "`retry` must be of the type Retry, found int."),
        ({"model_name": 5}, "`model_name` must be of the type str, found int."),
        ({"api_key": b"sk-canary"}, "`api_key` must be of the type str .*, found bytes."),
        ({"token_provider": "sk-canary"}, "`token_provider` must be of the type Callable, found str."),
        ({"headers": ["sk-canary"]}, "`headers` must be a mapping of texts, found list."),
        ({"headers": {"x": 5}}, "`headers` must be a mapping of texts; under 'x' stands int."),
        ({"headers": {"x": "sk-canary\r\ny: z"}}, "`headers` holds a control character, .* under 'x'."),
        ({"params": {"x": None}}, "`params` must be a mapping of texts; under 'x' stands NoneType."),
        ({"api_key": "sk-canary\nx"}, "The key in api_key=... cannot be sent"),
    ],
)
def test_what_is_no_option_of_a_client(options, said):
    with pytest.raises(errors.SettingsError, match=said) as caught:
        OpenAiInterface(**{**NOWHERE, **options})
    assert "sk-canary" not in str(caught.value)
