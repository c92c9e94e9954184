"""Who waits for the disk at the same time shares one sync, and is never told too soon."""

import asyncio
import threading

import pytest

from attractor.base.shared_sync import SharedSync


class Disk:
    """Counts syncs, and notes what was written before each began."""

    def __init__(self) -> None:
        self.written = 0
        self.synced = 0
        self.syncs = 0
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def sync(self) -> None:
        seen = self.written
        assert self.gate.wait(10)
        self.syncs += 1
        if self.broken:
            raise OSError("the disk is gone")
        self.synced = seen


def test_many_share_few_syncs_and_each_finds_what_it_wrote_on_the_disk() -> None:
    async def scene() -> Disk:
        disk = Disk()
        shared = SharedSync(disk.sync)

        async def write() -> None:
            for _ in range(3):
                disk.written += 1
                mine = disk.written
                await shared.wait()
                assert disk.synced >= mine

        await asyncio.gather(*(write() for _ in range(50)))
        return disk

    assert asyncio.run(scene()).syncs <= 10


def test_what_is_written_while_a_sync_is_at_work_waits_for_the_next_one() -> None:
    async def scene() -> None:
        disk = Disk()
        shared = SharedSync(disk.sync)
        disk.gate.clear()
        disk.written = 1
        first = asyncio.create_task(shared.wait())
        await asyncio.sleep(0.05)
        disk.written = 2
        second = asyncio.create_task(shared.wait())
        await asyncio.sleep(0.05)
        disk.gate.set()
        await first
        await second
        assert (disk.syncs, disk.synced) == (2, 2)

    asyncio.run(scene())


def test_a_disk_that_fails_is_told_to_everybody_who_waits() -> None:
    async def scene() -> list[BaseException | None]:
        disk = Disk()
        disk.broken = True
        shared = SharedSync(disk.sync)
        return await asyncio.gather(*(shared.wait() for _ in range(3)), return_exceptions=True)

    assert [type(one) for one in asyncio.run(scene())] == [OSError] * 3


def test_who_stops_waiting_does_not_stop_the_others() -> None:
    async def scene() -> int:
        disk = Disk()
        shared = SharedSync(disk.sync)
        disk.gate.clear()
        leaving, staying = (asyncio.create_task(shared.wait()) for _ in range(2))
        await asyncio.sleep(0.05)
        leaving.cancel()
        disk.gate.set()
        await staying
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return disk.syncs

    assert asyncio.run(scene()) == 1
