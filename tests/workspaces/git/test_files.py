""""""

import asyncio
import threading

import pytest

from attractor.workspaces.git.files import in_thread
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_event_loop_continues_during_the_work() -> None:
    gate = threading.Event()
    work = asyncio.ensure_future(in_thread(lambda: "done" if gate.wait(PATIENCE_S) else "stuck"))
    await asyncio.sleep(0)
    gate.set()
    assert await work == "done"


def test_failure_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_waits_for_the_work_to_end(fails: bool) -> None:
    begun, gate, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(PATIENCE_S)
        ended.set()
        if fails:
            raise ValueError

    task = asyncio.ensure_future(in_thread(work))
    await asyncio.to_thread(begun.wait, 30)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
