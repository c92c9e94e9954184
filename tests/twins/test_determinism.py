"""The same script and requests give the same bytes, and the same times by a virtual clock."""

import json
from typing import Any

import pytest

from attractor.twins.exchange.answer import FaultKind
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.server.virtual_clock import VirtualClock
from tests.patience import with_longer_limits
from tests.tables import table
from tests.twins.exchanging import HELLO, KEYS, PATHS
from tests.twins.raw import raw
from tests.twins.streaming import STREAMS, request

MORE: dict[str, str] = {
    "status": 'status = 429, retry_after = "2s"',
    "hang": "after = 2",
    "slow": 'size = 40, pause = "7s"',
}
CALL = '{ name = "shell", arguments = { a = "b" } }'


def sent(url: str, wire: str, *, streamed: bool, patience: float) -> bytes:
    body = request(wire)[0] if streamed else json.dumps(HELLO[wire]).encode()
    path = STREAMS[wire] if streamed else PATHS[wire]
    return raw(url, f"POST {path}", KEYS[wire], body, patience=patience)


def observe_twin(
    start: StartTwin, script: str, wire: str, *, streamed: bool, patience: float
) -> Any:
    clock = VirtualClock(jumps=True)
    twin = start(script, clock=clock)
    came = [sent(twin.url, wire, streamed=streamed, patience=patience) for _ in range(2)]
    return came, clock.monotonic(), [(one.at, one.rule, one.status) for one in twin.requests]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", list(FaultKind))
@pytest.mark.parametrize("wire", list(KEYS))
def test_twins_are_deterministic(
    wire: str, kind: FaultKind, streamed: bool, provider_twin: StartTwin
) -> None:
    fault = ", ".join(filter(None, [f'kind = "{kind}"', MORE.get(kind)]))
    script = f"""
    [[rules]]
    answer.text = "One, two, three."
    answer.thinking = "hm"
    answer.tool_calls = [{CALL}]
    answer.delay = "30m"
    answer.pace = "3s"
    answer.fault = {{ {fault} }}
    """

    def play_twice(patience: float) -> None:
        one, other = (
            observe_twin(provider_twin, script, wire, streamed=streamed, patience=patience)
            for _ in range(2)
        )
        assert one == other
        assert one[1] >= 2 * 1800
        assert one[2][1][0] >= 1800

    with_longer_limits(play_twice, first_s=0.15 if kind is FaultKind.HANG else 60)


def faults(start: StartTwin, seed: int, wire: str) -> list[bytes]:
    script = f"""
    seed = {seed}
    [[rules]]
    answer.text = "Well."
    answer.fault = {{ kind = "status", status = 503, probability = 0.3 }}
    """
    twin = start(script)
    return [sent(twin.url, wire, streamed=False, patience=60) for _ in range(30)]


@table("wire", list(KEYS))
def test_the_same_seed_draws_the_same_faults(wire: str, provider_twin: StartTwin) -> None:
    one, other, another = (faults(provider_twin, seed, wire) for seed in (1, 1, 2))
    assert one == other
    statuses = [[b" 503 " in answer[:16] for answer in came] for came in (one, another)]
    assert statuses[0] != statuses[1]
    assert 3 <= sum(statuses[0]) <= 16
