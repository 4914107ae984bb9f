"""Faults that no server on this machine can show: name resolution, certificates, a network that is not there."""

from __future__ import annotations

import asyncio
import errno
from unittest import mock

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses

from throughster import errors
from throughster.client import OpenAiInterface
from throughster.types import Retry

KEY = ConnectionKey("api.openai.com", 443, True, True, None, None, None)
URL = "https://api.openai.com/v1/chat/completions"
ANSWER = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


class Response(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not know `stream_writer`, which aiohttp asks for since 3.14."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, stream_writer=mock.Mock(output_size=0), **kwargs)


def call(*outcomes):
    """The answer when the sends end in these outcomes, one after another, and how many were made."""

    async def scenario():
        with aioresponses() as network:
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    network.post(URL, exception=outcome)
                else:
                    network.post(URL, payload=outcome, response_class=Response)
            client = OpenAiInterface(api_key="k", model_name="m", retry=Retry(max_attempts=3, initial_delay_s=0.001))
            async with client:
                try:
                    return await client.call({"messages": [{"role": "user", "content": "x"}]})
                finally:
                    sends = sum(len(requests) for requests in network.requests.values())
                    call.sends = sends

    return asyncio.run(scenario())


def test_a_name_that_cannot_be_resolved_is_tried_again():
    fault = aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known"))
    assert call(fault, fault, ANSWER).content == "hi"
    with pytest.raises(errors.TransportError, match="host name of https://api.openai.com:443 cannot be resolved"):
        call(fault, fault, fault)
    assert call.sends == 3


def test_a_wrong_certificate_is_never_tried_again():
    fault = aiohttp.ClientConnectorCertificateError(KEY, Exception("certificate has expired"))
    with pytest.raises(errors.TransportError, match="TLS connection to https://api.openai.com:443 failed"):
        call(fault)
    assert call.sends == 1


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNRESET, errno.EPIPE])
def test_a_network_that_is_away_is_tried_again(code):
    fault = aiohttp.ClientOSError(code, "x")
    assert call(fault, ANSWER).content == "hi"


def test_an_idle_connection_that_the_server_closed_is_tried_again():
    assert call(aiohttp.ServerDisconnectedError(), ANSWER).content == "hi"


def test_a_connection_that_takes_too_long_names_its_clock():
    fault = aiohttp.ConnectionTimeoutError("x")
    with pytest.raises(errors.RequestTimeoutError, match=r"within 5 s \(timeout.connect_s\)"):
        call(fault, fault, fault)
