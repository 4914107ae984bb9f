"""Function calling: tools in every form, arguments checked, rounds of Python functions."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from typing import Annotated

import pytest
from aiohttp import web
from pydantic import BaseModel, Field

from throughster import errors
from throughster.client import MistralInterface, OpenAiInterface, VllmInterface
from throughster.emulator import Emulator, Options
from throughster.providers import PROVIDERS
from throughster.tools import read_tools, tool_message
from throughster.types import Response, ToolCall

ASK = {"messages": [{"role": "user", "content": "Weather in Oslo?"}]}


class GetWeather(BaseModel):
    """Weather of a city."""

    city: str
    days: int = Field(default=1, ge=1)


def calls(*pairs):
    return {
        "choices": [
            {
                "finish_reason": "tool_calls",
                "message": {
                    "content": None,
                    "tool_calls": [
                        {"id": f"c{n}", "function": {"name": name, "arguments": json.dumps(arguments)}}
                        for n, (name, arguments) in enumerate(pairs)
                    ],
                },
            }
        ]
    }


TEXT = {"choices": [{"finish_reason": "stop", "message": {"content": "It is 4 degrees."}}]}


def run(serving, replies, method, *args, cls=OpenAiInterface, request=ASK):
    bodies = []

    async def handler(request):
        bodies.append(await request.json())
        return web.json_response(replies[min(len(bodies), len(replies)) - 1])

    async def scenario():
        async with serving(handler) as origin, cls(api_base=f"{origin}/v1", model_name="m") as client:
            return await getattr(client, method)(request, *args)

    return asyncio.run(scenario()), bodies


def test_a_pydantic_model_is_a_tool_under_its_own_name(serving):
    response, bodies = run(serving, [calls(("GetWeather", {"city": "Oslo", "days": 2}))], "tools_call", [GetWeather])
    (call,) = response.tool_calls
    assert (call.name, call.arguments) == ("GetWeather", {"city": "Oslo", "days": 2})
    assert call.validated == response.validated_schema == GetWeather(city="Oslo", days=2)
    function = bodies[0]["tools"][0]["function"]
    assert (function["name"], function["description"], function["strict"]) == ("GetWeather", "Weather of a city.", True)
    assert bodies[0]["tool_choice"] == "required"


def test_parallel_calls_are_all_validated(serving):
    replies = [calls(("GetWeather", {"city": "Oslo", "days": None}), ("GetWeather", {"city": "Rome", "days": 3}))]
    response, _ = run(serving, replies, "tools_call", [GetWeather])
    assert [call.validated for call in response.tool_calls] == [
        GetWeather(city="Oslo"),
        GetWeather(city="Rome", days=3),
    ]


def test_wrong_arguments_are_sent_back_as_tool_results(serving):
    replies = [calls(("GetWeather", {"city": 7})), calls(("GetWether", {})), calls(("GetWeather", {"city": "Oslo"}))]
    response, bodies = run(serving, replies, "tools_call", [GetWeather], cls=VllmInterface)
    assert response.validated_schema == GetWeather(city="Oslo")
    assert [m["role"] for m in bodies[1]["messages"]] == ["user", "assistant", "tool"]
    assert bodies[1]["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"city":7}'
    assert "$.city" in bodies[1]["messages"][2]["content"]
    assert "There is no tool 'GetWether'" in bodies[2]["messages"][2]["content"]


def test_no_call_is_an_error_when_one_was_required(serving):
    with pytest.raises(errors.AnswerError, match="No tool was called"):
        run(serving, [TEXT], "tools_call", [GetWeather])
    with pytest.raises(errors.AnswerError, match="No tool was called"):
        run(serving, [TEXT], "tools_call", [GetWeather], request={**ASK, "tool_choice": "auto"})


def test_a_named_choice_goes_out_in_wire_form(serving):
    request = {**ASK, "tool_choice": {"name": "GetWeather"}}
    _, bodies = run(serving, [calls(("GetWeather", {"city": "Oslo"}))], "tools_call", [GetWeather], request=request)
    assert bodies[0]["tool_choice"] == {"type": "function", "function": {"name": "GetWeather"}}


def test_functions_are_run_and_the_answer_goes_on(serving):
    asked = []

    def weather(city: str, days: int = 1) -> dict:
        """Weather of a city."""
        asked.append((city, days))
        return {"celsius": 4}

    async def slow(text: str) -> str:
        return text.upper()

    replies = [calls(("weather", {"city": "Oslo"}), ("slow", {"text": "x"}), ("weather", {"town": 1})), TEXT]
    response, bodies = run(serving, replies, "call", request={**ASK, "tools": [weather, slow]}, cls=VllmInterface)
    assert response.content == "It is 4 degrees."
    assert asked == [("Oslo", 1)]
    results = [m["content"] for m in bodies[1]["messages"] if m["role"] == "tool"]
    assert results[:2] == ['{"celsius":4}', "X"]
    assert results[2].startswith("Error: the arguments are not valid")
    assert bodies[0]["tools"][0]["function"]["parameters"]["required"] == ["city"]


def test_rounds_are_bounded(serving):
    def again() -> str:
        return "again"

    with pytest.raises(errors.AnswerError, match="10 times in a row") as caught:
        run(serving, [calls(("again", {}))], "call", request={**ASK, "tools": [again]})
    assert len(caught.value.attempts) == 10


def test_a_forced_choice_is_forced_once(serving):
    def look() -> str:
        return "seen"

    request = {**ASK, "tools": [look], "tool_choice": "required"}
    response, bodies = run(serving, [calls(("look", {})), TEXT], "call", request=request)
    assert response.content == "It is 4 degrees."
    assert [body["tool_choice"] for body in bodies] == ["required", "auto"]


def test_a_default_that_the_model_leaves_out_is_the_default(serving):
    seen = []

    def look(city: str, unit: str = "celsius") -> str:
        seen.append((city, unit))
        return "4"

    response, _ = run(
        serving, [calls(("look", {"city": "Oslo", "unit": None})), TEXT], "call", request={**ASK, "tools": [look]}
    )
    assert (seen, response.content) == ([("Oslo", "celsius")], "It is 4 degrees.")


def test_a_call_of_another_tool_is_the_callers_to_make(serving):
    def look() -> str:
        return "seen"

    request = {**ASK, "tools": [look, GetWeather]}
    response, bodies = run(serving, [calls(("GetWeather", {"city": "Oslo"}))], "call", request=request)
    assert (response.tool_calls[0].name, len(bodies)) == ("GetWeather", 1)


def test_what_functions_say_of_themselves_and_return_is_kept(serving):
    def look(city: Annotated[str, Field(description="Which city", min_length=2)]) -> GetWeather:
        return GetWeather(city=city)

    _, bodies = run(
        serving, [calls(("look", {"city": "Oslo"})), TEXT], "call", request={**ASK, "tools": [look]}, cls=VllmInterface
    )
    assert bodies[0]["tools"][0]["function"]["parameters"]["properties"]["city"]["description"] == "Which city"
    assert bodies[1]["messages"][-1]["content"] == '{"city":"Oslo","days":1}'


def test_what_is_no_tool_is_refused():
    with pytest.raises(errors.RequestError, match="A tool is"):
        read_tools([7])
    with pytest.raises(errors.RequestError, match="needs a `name`"):
        read_tools([{"parameters": {}}])
    with pytest.raises(errors.RequestError, match="same name"):
        read_tools([GetWeather, GetWeather])

    def many(*args):
        return args

    with pytest.raises(errors.RequestError, match="cannot be given by name"):
        read_tools([many])


class Shop:
    """Looks things up."""

    def __init__(self, seen):
        self._seen = seen

    async def __call__(self, city: str) -> str:
        self._seen.append(threading.current_thread() is threading.main_thread())
        return f"called {city}"

    def whole(self, city: str) -> str:
        self._seen.append(threading.current_thread() is threading.main_thread())
        return f"whole {city}"

    async def awaited(self, city: str, shop: str = "any") -> str:
        self._seen.append(threading.current_thread() is threading.main_thread())
        return f"awaited {city} {shop}"


def passes_on(function):
    @functools.wraps(function)
    def passing(*args, **kwargs):
        return function(*args, **kwargs)

    return passing


@pytest.mark.parametrize(
    ("make", "name", "result", "on_the_loop"),
    [
        (lambda shop: shop, "Shop", "called Oslo", True),
        (functools.partial, "Shop", "called Oslo", True),
        (lambda shop: shop.whole, "whole", "whole Oslo", False),
        (lambda shop: shop.awaited, "awaited", "awaited Oslo any", True),
        (lambda shop: functools.partial(shop.whole), "whole", "whole Oslo", False),
        (lambda shop: functools.partial(shop.awaited, shop="mine"), "awaited", "awaited Oslo mine", True),
        (lambda shop: functools.partial(functools.partial(Shop.awaited, shop), shop="mine"), "awaited", "awaited Oslo mine", True),
        (lambda shop: passes_on(shop.awaited), "awaited", "awaited Oslo any", True),
    ],
)  # fmt: skip
def test_whatever_can_be_called_is_run_and_awaited_where_it_has_to_be(serving, make, name, result, on_the_loop):
    seen = []
    tool = make(Shop(seen))
    response, bodies = run(serving, [calls((name, {"city": "Oslo"})), TEXT], "call", request={**ASK, "tools": [tool]})
    assert response.content == "It is 4 degrees."
    assert bodies[1]["messages"][-1]["content"] == result
    assert seen == [on_the_loop]


def test_what_a_partial_binds_is_neither_shown_nor_set():
    def look(key: str, city: str, database: object = None, *, unit: str = "celsius") -> str:
        """Look a city up."""
        return f"{key} {city} {database} {unit}"

    partial = functools.partial(look, "secret-1", database=object(), unit="secret-2")
    (tool,) = read_tools([functools.update_wrapper(partial, look)])
    assert (tool.name, tool.description, list(tool.parameters["properties"])) == ("look", "Look a city up.", ["city"])
    assert "secret" not in json.dumps(tool.parameters)
    named = functools.partial(look, "secret")
    named.__name__, named.__doc__ = "find", "Find a city."
    (tool,) = read_tools([named])
    assert (tool.name, tool.description) == ("find", "Find a city.")
    assert read_tools([functools.partial(Shop([]))])[0].description == "Looks things up."


def test_parameters_may_have_any_name(serving):
    def save(json: str, _private: int, model_config: str = "c", schema: str = "s") -> str:
        return f"{json} {_private} {model_config} {schema}"

    replies = [calls(("save", {"json": "j", "_private": 1, "schema": "t"})), TEXT]
    _, bodies = run(serving, replies, "call", request={**ASK, "tools": [save]}, cls=VllmInterface)
    sent = bodies[0]["tools"][0]["function"]["parameters"]
    assert list(sent["properties"]) == ["json", "_private", "model_config", "schema"]
    assert sent["required"] == ["json", "_private"]
    assert bodies[1]["messages"][-1]["content"] == "j 1 c t"


def test_what_a_function_raises_reaches_the_caller(serving):
    def first(city: str) -> str:
        return next(name for name in () if name == city)

    def broken(city: str) -> str:
        raise LookupError(f"no {city}")

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        run(serving, [calls(("first", {"city": "Oslo"})), TEXT], "call", request={**ASK, "tools": [first]})
    with pytest.raises(LookupError, match="no Oslo"):
        run(serving, [calls(("broken", {"city": "Oslo"})), TEXT], "call", request={**ASK, "tools": [broken]})


def yielding(city: str):
    yield city


async def yielding_later(city: str):
    yield city


def hinted(city: Nowhere):  # noqa: F821
    return city


def connected(connection: threading.Thread):
    return connection


class Plain:
    def __init__(self, city: str):
        self.city = city


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (lambda: 1, "`<lambda>` is no name for a tool; write it as a function with a name"),
        (functools.partial(lambda city: city), "`<lambda>` is no name for a tool"),
        (yielding, "it yields"),
        (yielding_later, "it yields"),
        (functools.partial(yielding), "it yields"),
        (hinted, "`hinted` cannot be a tool: the types of its parameters cannot be read: .*Nowhere"),
        (connected, "`connected` cannot be a tool: .*Thread"),
        (Plain, "not the class Plain"),
        (max, "`max` cannot be a tool"),
        (functools.partial(yielding_later, 1, 2), "it yields"),
        (functools.partial(connected, "secret", 2), "`connected` cannot be a tool: it tells no parameters"),
    ],
)
def test_what_cannot_be_called_with_arguments_by_name_is_refused(tool, said):
    with pytest.raises(errors.RequestError, match=said) as caught:
        read_tools([tool])
    assert "secret" not in str(caught.value)


def test_a_tool_in_wire_form_is_not_touched():
    wire = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": False}}
    assert read_tools([wire])[0].wire(PROVIDERS["openai"]) == wire


@pytest.mark.parametrize("dialect", ["openai", "mistral", "vllm"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_emulators_calls_are_read_whole_and_streamed(dialect, stream):
    cls = {"openai": OpenAiInterface, "mistral": MistralInterface, "vllm": VllmInterface}[dialect]

    async def scenario():
        async with Emulator(Options(dialect=dialect)) as server:
            async with cls(api_base=server.api_base, api_key="k", model_name="m") as client:
                if not stream:
                    return await client.tools_call(ASK, [GetWeather])
                streamed = client.stream({**ASK, "tools": [GetWeather], "tool_choice": "required"})
                pieces = [text async for text in streamed]
                assert pieces == []
                return streamed.response

    response = asyncio.run(scenario())
    GetWeather.model_validate({k: v for k, v in response.tool_calls[0].arguments.items() if v is not None})
    assert response.tool_calls[0].name == "GetWeather"


def test_what_is_said_beside_a_call_is_kept_and_sent_back(serving):
    """Of functions that are run, and of calls that are the caller's to make."""
    seen = []
    call = {"id": "1", "type": "function", "function": {"name": "double", "arguments": '{"n": 4}'}}
    first = {"role": "assistant", "content": "I will look.", "tool_calls": [call]}

    async def handler(request):
        seen.append((await request.json())["messages"])
        message = first if len(seen) == 1 else {"content": "8"}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})

    def double(n: int) -> int:
        return 2 * n

    async def scenario():
        async with serving(handler) as origin:
            async with OpenAiInterface(api_base=f"{origin}/v1", model_name="m") as client:
                asked = {"messages": [{"role": "user", "content": "2*4?"}]}
                answer = await client.call({**asked, "tools": [double]})
                seen.clear()
                return answer.content, await client.tools_call(asked, [double])

    content, called = asyncio.run(scenario())
    assert content == "8"
    assert (called.content, called.tool_calls[0].arguments) == ("I will look.", {"n": 4})


def test_the_message_with_a_call_goes_back_with_its_words():
    response = Response("I will look.", tool_calls=(ToolCall("1", "double", {"n": 4}),))
    assert tool_message(response) == {
        "role": "assistant",
        "content": "I will look.",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "double", "arguments": '{"n":4}'}}],
    }
