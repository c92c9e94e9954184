"""Scripted faults, received by a client over real HTTP."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.script.script import parse_script
from attractor.twins.server.provider_twin import ProviderTwin
from tests.patience import PATIENCE_S, until, with_longer_limits
from tests.twins.exchanging import HELLO, KEYS, PATHS
from tests.twins.streaming import STREAMS, events_of, names, opened, put_together, request, stream

pytestmark = pytest.mark.parametrize("wire", list(KEYS))
WORDS = "one two three four five six seven eight nine ten eleven twelve"
QUICK = 0.3


PLAIN = f'rules = [{{ answer = {{ text = "{WORDS}" }} }}]'


def answering(more: str) -> str:
    return f'rules = [{{ answer = {{ text = "{WORDS}", {more} }} }}]'


def fault(more: str) -> str:
    return answering(f"fault = {{ {more} }}")


def received(twin: ProviderTwin, wire: str, *, timeout: float = 60) -> tuple[bytes, Any]:
    """Return the content of a stream, and the error that cut it."""
    sent = b""
    try:
        with opened(twin, wire, timeout) as response:
            assert response.status_code == 200
            for some in response.iter_bytes():
                sent += some
    except httpx.TransportError as error:
        return sent, error
    return sent, None


def post(twin: ProviderTwin, wire: str, timeout: float = 60) -> httpx.Response:
    return httpx.post(twin.url + PATHS[wire], json=HELLO[wire], headers=KEYS[wire], timeout=timeout)


def test_stream_events_are_sent_when_due(wire: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(answering('pace = "1h"'))

    def listen(timeout: float) -> None:
        sent, ended = received(twin, wire, timeout=timeout)
        assert isinstance(ended, httpx.ReadTimeout)
        assert len(events_of(sent)) == 1

    with_longer_limits(listen, first_s=QUICK)


def test_a_stream_is_cut_after_some_events(wire: str, provider_twin: StartTwin) -> None:
    script = fault('kind = "cut", after = 3')
    sent, ended = received(provider_twin(script), wire)
    assert isinstance(ended, httpx.RemoteProtocolError)
    assert "without sending complete message body" in str(ended)
    assert len(events_of(sent)) == 3
    assert sent == stream(wire, script).body


@pytest.mark.parametrize("after", [0, 2])
def test_stream_hangs_at_its_start_or_in_the_middle(
    wire: str, provider_twin: StartTwin, after: int
) -> None:
    twin = provider_twin(fault(f'kind = "hang", after = {after}'))

    def listen(timeout: float) -> None:
        sent, ended = received(twin, wire, timeout=timeout)
        assert isinstance(ended, httpx.ReadTimeout)
        assert len(events_of(sent)) == after
        assert {one.status for one in twin.requests} == {200 if after else 0}

    with_longer_limits(listen, first_s=QUICK)


def test_a_body_hangs_in_the_middle(wire: str, provider_twin: StartTwin) -> None:
    with pytest.raises(httpx.ReadTimeout):
        post(provider_twin(fault('kind = "hang", after = 1')), wire, QUICK)


def test_malformed_event_in_the_middle(wire: str, provider_twin: StartTwin) -> None:
    plain = stream(wire, PLAIN).pieces
    sent, ended = received(provider_twin(fault('kind = "malformed", after = 3')), wire)
    assert ended is None
    found = events_of(sent)
    assert found[3].data == '{"this is": not JSON'
    assert len(found) == len(plain)
    assert names(sent) == names(b"".join(plain))


def test_slow_fault_sends_a_few_bytes_at_a_time(wire: str, provider_twin: StartTwin) -> None:
    script = fault('kind = "slow", size = 100, pause = "5ms"')
    twin = provider_twin(script)
    began = time.monotonic()
    sent, ended = received(twin, wire)
    assert (sent, ended) == (stream(wire, PLAIN).body, None)
    assert time.monotonic() - began >= 0.005 * (len(sent) // 100)
    with pytest.raises(httpx.ReadTimeout):
        post(provider_twin(fault('kind = "slow", pause = "1h"')), wire, QUICK)
    assert WORDS in post(twin, wire).text


def test_a_connection_is_refused_and_the_next_one_is_not(
    wire: str, provider_twin: StartTwin
) -> None:
    rules = f"""
    [[rules]]
    first = 2
    answer.fault = {{ kind = "refused" }}
    [[rules]]
    answer.text = "{WORDS}"
    """
    twin = provider_twin(rules)
    _, ended = received(twin, wire)
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending"):
        post(twin, wire)
    assert "disconnected without sending" in str(ended)
    assert [one.status for one in twin.requests] == [0, 0]
    assert received(twin, wire)[1] is None


def test_refused_fault_ignores_forwarded_headers(wire: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(fault('kind = "refused"'))
    headers = KEYS[wire] | {"x-forwarded-for": "192.0.2.1"}
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(twin.url + PATHS[wire], json=HELLO[wire], headers=headers, timeout=PATIENCE_S)


def test_content_length_exceeds_the_body(wire: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(fault('kind = "content_length"'))
    sent, ended = received(twin, wire)
    assert WORDS in str(put_together(wire, sent))
    assert isinstance(ended, httpx.RemoteProtocolError)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        post(twin, wire)


@pytest.mark.anyio
async def test_disconnected_client_leaves_no_task(wire: str) -> None:
    twin = ProviderTwin(parse_script(answering('pace = "1h"')))
    async with twin, httpx.AsyncClient() as client:
        place, headers = twin.url + STREAMS[wire], KEYS[wire]
        before = len(asyncio.all_tasks())
        found = client.stream("POST", place, content=request(wire)[0], headers=headers)
        async with found as response:
            await anext(response.aiter_raw())
            assert len(asyncio.all_tasks()) > before
        await until(lambda: len(asyncio.all_tasks()) <= before)
