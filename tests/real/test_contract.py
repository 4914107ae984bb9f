"""What every provider promises, asked of servers that nobody here wrote, with a model that talks noise."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel
from tests.real import servers

from throughster import errors
from throughster.types import Retry, ToolCallDelta

pytestmark = pytest.mark.real

ASK = {"messages": [{"role": "user", "content": "Say something."}], "max_tokens": 60, "temperature": 0}


class Shirt(BaseModel):
    """Order a shirt."""  # no free text: OpenAI's strict schemas bound none, and noise does not end by itself

    colour: Literal["red", "green", "blue"]
    size: Literal["small", "large"]
    pockets: Literal[0, 1, 2]
    ironed: bool


NOISE = {"max_tokens": 600, "temperature": 1}  # at 0 it comes to repeat itself, in JSON a blank, and never ends
TOOLS = {"messages": [{"role": "user", "content": "Order a shirt."}], "max_tokens": 600, "parallel_tool_calls": False}


def without(server, ability):
    if ability in server.lacks:
        pytest.skip(f"this server lacks: {ability}")


def test_call(server):
    response = server.run(lambda client: client.call({**ASK, **server.taken(stop=["~"])}))
    assert response.content
    assert response.finish_reason in ("stop", "length")
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens > 0
    assert response.model == servers.MODEL


def test_an_answer_is_cut_at_the_token_limit(server):
    without(server, "cut answers")
    response = server.run(lambda client: client.call({**ASK, "max_tokens": 3}))
    assert response.finish_reason == "length"
    assert response.usage.completion_tokens == 3


def test_a_streamed_answer_is_the_whole_one(server):
    async def scenario(client):
        whole = await client.call(ASK)
        stream = client.stream(ASK)
        return whole, [text async for text in stream], stream.response

    whole, texts, response = server.run(scenario)
    assert "".join(texts) == response.content == whole.content
    assert len(texts) > 1
    assert response.finish_reason == whole.finish_reason
    assert response.usage.completion_tokens == whole.usage.completion_tokens


def test_many_streams_at_once(server):
    async def one(client, n):
        stream = client.stream({**ASK, "messages": [{"role": "user", "content": f"Say {n}."}], "max_tokens": 8})
        return "".join([text async for text in stream]), stream.response.content

    async def scenario(client):
        return await asyncio.gather(*(one(client, n) for n in range(100)))

    pairs = server.run(scenario)
    assert len(pairs) == 100
    assert [text for text, _ in pairs] == [content for _, content in pairs]


def test_structured_answers(server):
    without(server, "structured answers")
    requests = [{**ASK, **NOISE, **server.taken(seed=n)} for n in range(20)]

    async def scenario(client):
        return await client.structured_batch_call(requests, schema=Shirt, max_attempts=2)

    responses = server.run(scenario)
    assert all(isinstance(response.validated_schema, Shirt) for response in responses)
    assert sum(len(response.retry_stats.attempts) for response in responses) <= 22  # the server holds it to the schema


def test_an_invalid_answer_is_sent_back(server):
    async def scenario(client):
        return await client.structured_call({**ASK, **NOISE}, Shirt, strategy="prompt", max_attempts=2)

    with pytest.raises(errors.AnswerError) as caught:  # nothing holds the noise to the schema
        server.run(scenario)
    attempts = caught.value.attempts
    assert [(attempt.kind, attempt.http_status) for attempt in attempts] == [("transport", 200), ("validation", 200)]


def test_function_calling_whole(server):
    without(server, "forced tools")
    response = server.run(lambda client: client.tools_call(TOOLS, tools=[Shirt]))
    assert isinstance(response.tool_calls[0].validated, Shirt)
    assert response.tool_calls[0].id


def test_function_calling_streamed(server):
    without(server, "forced tools")

    async def scenario(client):
        stream = client.stream({**TOOLS, "tools": [Shirt], "tool_choice": "required"})
        return [delta async for delta in stream.events()], stream.response

    deltas, response = server.run(scenario)
    call = response.tool_calls[0]
    pieces = [delta for delta in deltas if isinstance(delta, ToolCallDelta) and delta.index == 0]
    assert json.loads("".join(piece.arguments for piece in pieces)) == call.arguments
    assert [piece.name for piece in pieces if piece.name] == ["Shirt"]
    assert Shirt.model_validate(call.arguments)


def test_a_tool_result_can_be_sent_back(server):
    call = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Oslo"}'}}
    messages = [
        *ASK["messages"],
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
    ]
    assert server.run(lambda client: client.call({**ASK, "messages": messages})).finish_reason


@pytest.mark.parametrize("content", ["Blue.", [{"type": "text", "text": "Blue."}]], ids=["text", "parts"])
def test_an_assistants_turn_can_be_sent_back(server, content):
    turn = {"role": "assistant", "content": content}
    messages = [*ASK["messages"], turn, {"role": "user", "content": "Why?"}]
    assert server.run(lambda client: client.call({**ASK, "messages": messages})).content


def test_logprobs(server):
    without(server, "logprobs")
    response = server.run(lambda client: client.call({**ASK, "max_tokens": 2, "logprobs": True, "top_logprobs": 3}))
    first = response.logprobs["content"][0]
    assert first["logprob"] <= 0
    assert len(first["top_logprobs"]) == 3


def test_a_score_weighted_by_probabilities(server):
    without(server, "choices")
    response, score = server.run(lambda client: client.nlg_evaluation({"messages": ASK["messages"]}, "Grade it."))
    assert 1 <= score <= 5
    assert response.content in "12345"


def test_list_models(server):
    without(server, "list models")
    assert servers.MODEL in server.run(lambda client: client.list_models())


def test_a_wrong_key_is_an_auth_error_that_does_not_repeat_it(server):
    without(server, "wrong key")

    with pytest.raises(errors.AuthError) as caught:
        server.run(lambda client: client.call(ASK), api_key="sk-wrong-0123456789")
    assert "sk-wrong-0123456789" not in str(caught.value)
    assert len(caught.value.attempts) == 1


def test_an_unknown_model_is_told_apart(server):
    without(server, "unknown model")
    with pytest.raises((errors.NotFoundError, errors.BadRequestError)):
        server.run(lambda client: client.call(ASK), model_name="another")


def test_a_prompt_beyond_the_context_is_told_apart(server):
    long = {**ASK, "messages": [{"role": "user", "content": "word " * 30_000}]}
    with pytest.raises(errors.ContextLengthError) as caught:
        server.run(lambda client: client.call(long))
    assert len(caught.value.attempts) == 1


def test_a_server_that_is_gone_is_a_transport_error(server):
    options = {"api_base": "http://127.0.0.1:9/v1", "retry": Retry(max_attempts=2, initial_delay_s=0.01)}
    with pytest.raises(errors.TransportError) as caught:
        server.run(lambda client: client.call(ASK), **options)
    assert len(caught.value.attempts) == 2


SPEC = """\
version: 1
name: real
provider: {{name: {provider}, endpoint: {endpoint}, params: {{max_tokens: 600}}}}
prompt: Describe shirt number {{{{ n }}}}.
output: {{schema: shirt.json}}
data: [{rows}]
"""


def test_a_spec_runs_from_the_command_line(server, tmp_path):
    without(server, "structured answers")
    provider = server.cls.provider
    (tmp_path / "throughster.toml").write_text("")
    (tmp_path / "shirt.json").write_text(json.dumps(Shirt.model_json_schema()))
    rows = ", ".join(f"{{n: {n}}}" for n in range(20))
    (tmp_path / "spec.yaml").write_text(SPEC.format(provider=provider.name, endpoint=server.endpoint, rows=rows))
    settings = {"API_KEY": servers.KEY, "MODEL_NAME": servers.MODEL}
    settings |= {name.upper(): value for name, value in server.options.items()}
    program = Path(sys.executable).with_name("throughster-run")
    done = subprocess.run(
        [program, "spec.yaml", "-o", "results.jsonl", "--no-progress"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **{provider.env_prefix + name: value for name, value in settings.items()}},
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text("utf-8").splitlines()]
    assert [result["status"] for result in results] == ["ok"] * 20
    assert all(Shirt.model_validate(result["output"]) for result in results)
    assert servers.KEY not in done.stdout + done.stderr + (tmp_path / "results.jsonl").read_text("utf-8")
