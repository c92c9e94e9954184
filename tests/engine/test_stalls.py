"""A stage of which nothing is heard for too long is ended; one that gives signs is not."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Stage
from attractor.engine.stalls import Stall, stall_limit
from tests.engine.graphs import end, graph, line, node, start
from tests.engine.runs import Workplace

SHORT = timedelta(milliseconds=80)


def test_without_a_sign_the_time_runs_out() -> None:
    async def scene() -> Stall:
        stall = Stall(SHORT)
        with pytest.raises(TimeoutError):
            async with stall:
                await asyncio.sleep(10)
        return stall

    assert asyncio.run(scene()).is_over


def test_signs_from_any_thread_put_it_off() -> None:
    async def scene() -> Stall:
        stall = Stall(SHORT)
        async with stall:
            for turn in range(6):
                await asyncio.sleep(0.04)
                if turn % 2:
                    stall.sign()
                else:
                    await asyncio.to_thread(stall.sign)
        stall.sign()
        return stall

    assert not asyncio.run(scene()).is_over


def test_without_a_limit_it_waits_for_ever() -> None:
    async def scene() -> None:
        async with Stall(None) as stall:
            stall.sign()
            await asyncio.sleep(0.1)

    asyncio.run(scene())


def test_the_node_says_it_before_the_graph_and_who_waits_is_left_alone() -> None:
    whole = graph([start(), end()], [], stall_timeout="10m")
    assert stall_limit(node("a"), whole) == timedelta(minutes=10)
    assert stall_limit(node("a", stall_timeout="5s"), whole) == timedelta(seconds=5)
    assert stall_limit(node("a", "hexagon"), whole) is None
    assert stall_limit(node("a", "component", stall_timeout="5s"), whole) is None
    assert stall_limit(node("a"), graph([start(), end()], [])) is None


def test_a_silent_stage_fails_with_its_reason_and_is_tried_again(tmp_path: Path) -> None:
    tries: list[int] = []

    async def silent(stage: Stage) -> Outcome:
        tries.append(stage.attempt)
        if stage.attempt == 1:
            await asyncio.Event().wait()
        for _ in range(5):
            await asyncio.sleep(0.04)
            stage.files.append("transcript.jsonl", "still here")
        return success()

    of = line("a")
    whole = graph(
        [start(), node("a", stall_timeout="80ms", max_retries=1, retry_policy="none"), end()],
        list(of.edges),
    )
    place = Workplace(tmp_path / "run", whole, {"a": silent})
    assert str(place.run().outcome) == "success"
    assert tries == [1, 2]
    [failed] = place.events("StageFailed")
    assert failed.data["error"] == "stalled: nothing was heard of it for 80ms"
