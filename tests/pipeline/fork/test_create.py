"""The run that another one stands in for is over before that begins."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import Refused
from attractor.base.locks import FileLock
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import CANCELED
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.orders import END_PATIENCE_S, Orders
from tests.engine.graphs import line
from tests.engine.runs import FAIL, Workplace


def orders_to(place: Workplace, clock: ManualClock) -> Orders:
    numbers = iter(range(200))
    return Orders(
        place.root, "ada", clock, lambda count: bytes([next(numbers)] * count), Redactor()
    )


def test_a_run_that_had_ended_stays_as_it_is(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("a"), {"a": FAIL}), ManualClock()
    place.run()
    before = (place.root / "events.jsonl").read_bytes()
    assert not asyncio.run(orders_to(place, clock).end_and_wait("back"))
    assert (place.root / "events.jsonl").read_bytes() == before


def test_a_runner_that_lets_go_without_a_look_at_its_inbox_is_made_up_for(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("a")), ManualClock()
    lock = FileLock(RunDirectory(place.root).lock).acquire()

    async def scene() -> bool:
        ending = asyncio.ensure_future(orders_to(place, clock).end_and_wait("back"))
        await clock.until_asleep()
        lock.release()
        await clock.turn(timedelta(seconds=1))
        return await ending is not None

    assert asyncio.run(scene())
    with place.open() as run:
        assert run.state.status == CANCELED
        assert run.state.canceled == "canceled by ada: back"


def test_a_runner_that_does_not_let_go_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("a")), ManualClock()

    async def scene() -> None:
        ending = asyncio.ensure_future(orders_to(place, clock).end_and_wait("back"))
        while not ending.done():
            await clock.turn(timedelta(seconds=END_PATIENCE_S / 4))
            await asyncio.sleep(0)
        await ending

    with FileLock(RunDirectory(place.root).lock).acquire(), pytest.raises(Refused):
        asyncio.run(scene())
