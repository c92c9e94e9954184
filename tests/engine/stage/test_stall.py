"""Stages without activity."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Stage
from attractor.engine.stage.execution import Stall, stall_limit
from tests.engine.graphs import end, graph, line, node, start
from tests.engine.runs import Workplace
from tests.patience import with_longer_limits

pytestmark = pytest.mark.anyio

SHORT = timedelta(milliseconds=80)


async def test_stall_ends_after_the_limit_without_a_sign() -> None:
    stall = Stall(SHORT)
    with pytest.raises(TimeoutError):
        async with stall:
            await asyncio.sleep(10)
    assert stall.is_over


def test_sign_from_any_thread_resets_the_limit() -> None:
    async def give_signs(limit_s: float) -> None:
        stall = Stall(timedelta(seconds=limit_s))
        async with stall:
            for turn in range(6):
                await asyncio.sleep(limit_s / 2)
                if turn % 2:
                    stall.sign()
                else:
                    await asyncio.to_thread(stall.sign)
        stall.sign()
        assert not stall.is_over

    with_longer_limits(lambda limit_s: asyncio.run(give_signs(limit_s)), first_s=0.08)


async def test_stall_without_a_limit_never_ends() -> None:
    async with Stall(None) as stall:
        stall.sign()
        await asyncio.sleep(0.1)
    assert not stall.is_over


def test_stall_timeout_of_node_overrides_graph_except_for_waiting_types() -> None:
    whole = graph([start(), end()], [], stall_timeout="10m")
    assert stall_limit(node("a"), whole) == timedelta(minutes=10)
    assert stall_limit(node("a", stall_timeout="5s"), whole) == timedelta(seconds=5)
    assert stall_limit(node("a", "hexagon"), whole) is None
    assert stall_limit(node("a", "component", stall_timeout="5s"), whole) is None
    assert stall_limit(node("a"), graph([start(), end()], [])) is None


def test_stalled_stage_fails_and_is_retried(tmp_path: Path) -> None:
    def play(limit_s: float) -> None:
        fall_silent(tmp_path / f"{limit_s}", limit_s)

    with_longer_limits(play, first_s=0.08)


def fall_silent(folder: Path, limit_s: float) -> None:
    limit = f"{limit_s * 1000:.0f}ms"
    tries: list[int] = []

    async def silent(stage: Stage) -> Outcome:
        tries.append(stage.attempt)
        if stage.attempt == 1:
            await asyncio.Event().wait()
        for _ in range(5):
            await asyncio.sleep(limit_s / 2)
            stage.files.append("transcript.jsonl", "still here")
        return success()

    of = line("a")
    whole = graph(
        [start(), node("a", stall_timeout=limit, max_retries=1, retry_policy="none"), end()],
        list(of.edges),
    )
    place = Workplace(folder, whole, {"a": silent})
    assert str(place.run().outcome) == "success"
    assert tries == [1, 2]
    [failed] = place.events("StageFailed")
    assert failed.data["error"] == f"stalled: no activity for {limit}"
