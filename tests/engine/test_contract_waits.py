"""Contract of Waits: the waits of an attempt in a run, and those of a stage without a run."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.engine.seams import NO_WAITS, Waits
from attractor.engine.stage.execution import Stall, TimeLimits
from attractor.engine.state.attempts import StageReference, TreeId
from attractor.engine.state.run_state import Wait, WaitReason
from attractor.engine.walk.waits import AttemptWaits, RunWaits
from tests.engine.graphs import line
from tests.engine.runs import Workplace

LIMIT = Wait(WaitReason.LIMIT)
SHORT = timedelta(milliseconds=200)
LONG_S = 2 * SHORT.total_seconds()
Open = Callable[[Path], AbstractContextManager[Waits]]


async def no_tree() -> TreeId:
    return ""


@contextmanager
def of_a_run(tmp_path: Path) -> Generator[Waits]:
    place = Workplace(tmp_path / "run", line("a"))
    with place.open() as run:
        limits = TimeLimits(Stall(None), run.clock)
        yield AttemptWaits(RunWaits(run), StageReference("a", 1, 1), limits, no_tree)


@contextmanager
def nowhere(tmp_path: Path) -> Generator[Waits]:
    yield NO_WAITS


each = pytest.mark.parametrize("opened", [of_a_run, nowhere])


@each
def test_a_time_limit_ends_its_block(tmp_path: Path, opened: Open) -> None:
    async def work() -> None:
        with opened(tmp_path) as waits:
            async with waits.time_limit(None) as timer:
                assert timer.when() is None
            async with waits.time_limit(SHORT):
                await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(work())


@each
def test_an_error_in_a_wait_is_passed_on(tmp_path: Path, opened: Open) -> None:
    async def work() -> None:
        with opened(tmp_path) as waits:
            async with waits.waiting(LIMIT):
                raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        asyncio.run(work())


def test_a_time_limit_does_not_count_waits() -> None:
    async def work() -> None:
        limits = TimeLimits(Stall(None), SystemClock())
        async with limits.limit(SHORT) as timer:
            with limits.stopped(), limits.stopped():
                await asyncio.sleep(LONG_S)
            assert not timer.expired()
            assert limits.stopped_seconds >= LONG_S
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(work())


def test_a_stall_timeout_does_not_count_waits() -> None:
    async def work() -> None:
        stall = Stall(SHORT)
        limits = TimeLimits(stall, SystemClock())
        async with stall:
            with limits.stopped():
                await asyncio.sleep(LONG_S)
            assert not stall.is_over
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
