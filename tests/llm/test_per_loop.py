import asyncio

from attractor.llm.per_loop import PerLoop


class Kept:
    """Counts what is made and notes what is closed, and in which state its loop was then."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.keeper = PerLoop(self._make, self._close)

    def _make(self) -> int:
        self.made += 1
        return self.made

    async def _close(self, one: int) -> None:
        await asyncio.sleep(0)
        self.closed.append(one)


def test_a_loop_has_one_which_is_closed_when_the_loop_ends() -> None:
    kept = Kept()

    async def asking() -> list[int]:
        return [await kept.keeper.find(), await kept.keeper.find()]

    assert asyncio.run(asking()) == [1, 1]
    assert kept.closed == [1]
    assert asyncio.run(asking()) == [2, 2]
    assert kept.closed == [1, 2]


def test_one_that_was_closed_is_made_anew() -> None:
    kept = Kept()

    async def asking() -> list[int]:
        await kept.keeper.close()
        first = await kept.keeper.find()
        await kept.keeper.close()
        assert kept.closed == [first]
        return [first, await kept.keeper.find()]

    assert asyncio.run(asking()) == [1, 2]
    assert kept.closed == [1, 2]


def test_the_loops_of_two_threads_have_one_each() -> None:
    kept = Kept()

    async def here() -> list[int]:
        there = await asyncio.to_thread(lambda: asyncio.run(kept.keeper.find()))
        return [await kept.keeper.find(), there]

    assert sorted(asyncio.run(here())) == [1, 2]
    assert sorted(kept.closed) == [1, 2]
