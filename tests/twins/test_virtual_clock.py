import asyncio
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest

from attractor.base.errors import MachineryError, UsageError
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.virtual_clock import VirtualClock
from tests.twins.exchanging import HELLO, KEYS, PATHS

HOUR = 'rules = [{ answer = { text = "At last.", delay = "1h" } }]'


def ask(url: str, body: Any = None) -> httpx.Response:
    asked = body or HELLO["openai"]
    return httpx.post(url + PATHS["openai"], json=asked, headers=KEYS["openai"], timeout=20)


def test_a_clock_that_jumps_waits_for_nothing_and_counts_all(provider_twin: StartTwin) -> None:
    clock = VirtualClock(jumps=True)
    twin = provider_twin(HOUR, clock=clock)
    assert "At last." in ask(twin.url).text
    assert clock.monotonic() == 3600
    assert (clock.now() - VirtualClock().now()) == timedelta(hours=1)


def test_an_answer_comes_when_the_test_lets_its_time_come(provider_twin: StartTwin) -> None:
    clock = VirtualClock()
    twin = provider_twin(HOUR, clock=clock)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(twin.url)))
    thread.start()
    clock.until_waiting()
    clock.advance(3599)
    assert not answers
    clock.advance(1)
    thread.join(10)
    assert answers[0].status_code == 200


def test_every_pause_of_a_stream_goes_by(provider_twin: StartTwin) -> None:
    clock = VirtualClock()
    twin = provider_twin('rules = [{ answer = { text = "a b c d e", pace = "60s" } }]', clock=clock)
    answers: list[bytes] = []
    body = HELLO["openai"] | {"stream": True}
    thread = threading.Thread(target=lambda: answers.append(ask(twin.url, body).content))
    thread.start()
    clock.until_waiting()
    clock.advance(3600)
    thread.join(10)
    assert b"response.completed" in answers[0]


def test_time_goes_by_where_nobody_waits() -> None:
    clock = VirtualClock()
    clock.advance(5)
    assert clock.monotonic() == 5


def test_who_waits_in_vain_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attractor.twins.virtual_clock._PATIENCE", 0.05)
    with pytest.raises(MachineryError, match="only 0 of 1"):
        VirtualClock().until_waiting()


def test_in_a_loop_it_is_turned_and_not_advanced() -> None:
    async def main() -> float:
        clock = VirtualClock()
        with pytest.raises(UsageError, match="advance waits"):
            clock.advance(1)
        waiting = asyncio.create_task(clock.sleep(timedelta(hours=1)))
        await asyncio.sleep(0.01)
        await clock.turn(3600)
        await waiting
        return clock.monotonic()

    assert asyncio.run(main()) == 3600
