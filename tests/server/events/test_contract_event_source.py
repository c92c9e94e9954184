"""The promises of an EventSource, for a tail of one run and the feed of all runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.server.events.buffer import KEPT
from attractor.server.events.feed import Feed
from attractor.server.events.streams import EventSource, Sources
from attractor.server.events.tails import Tail
from tests.server.events.journals import Journalist
from tests.server.events.readers import open_reader, run

Start = Callable[[Path], EventSource]


def start_tail(folder: Path) -> EventSource:
    return Tail(folder / "runs/one")


def start_feed(folder: Path) -> EventSource:
    return Feed(folder / "runs", folder / "state")


@pytest.mark.parametrize("start", [start_tail, start_feed])
def test_reader_gets_each_event_once_after_any_event(tmp_path: Path, start: Start) -> None:
    """The newest events are in the buffer, the others on the disk."""

    async def scene() -> None:
        sources = Sources(start)
        with Journalist(tmp_path / "runs/one") as writer:
            async with sources.watch(tmp_path) as source:
                first = await open_reader(source)
                writer.say(*map(str, range(KEPT + 200)))
                writer.say("middle")
                await first.see("middle")
                for after in (first.ids[0], first.ids[100], first.ids[-3], first.ids[-1]):
                    reader = await open_reader(source, after)
                    writer.say(f"after {after}")
                    await reader.see(f"after {after}")
                    await first.see(f"after {after}")
                    wanted = first.events[first.ids.index(after) + 1 :]
                    assert reader.events == wanted
                assert first.ids == sorted(set(first.ids))
                assert first.notices == []
            async with sources.watch(tmp_path) as again:
                reader = await open_reader(again, first.ids[0])
                await reader.see(f"after {after}")
                assert reader.events == first.events[1:]

    run(scene)


@pytest.mark.parametrize("start", [start_tail, start_feed])
def test_id_that_was_never_given_is_refused(tmp_path: Path, start: Start) -> None:
    async def scene() -> None:
        with Journalist(tmp_path / "runs/one") as writer:
            async with Sources(start).watch(tmp_path) as source:
                reader = await open_reader(source)
                writer.say("one")
                await reader.see("one")
                with pytest.raises(UsageError):
                    await source.begin(reader.ids[0] + 1)
                assert await source.begin(reader.ids[0]) == reader.ids[0]

    run(scene)


@pytest.mark.parametrize("start", [start_tail, start_feed])
def test_stopped_source_leaves_no_task(tmp_path: Path, start: Start) -> None:
    async def scene() -> None:
        for _ in range(2):
            source = start(tmp_path)
            await source.begin(None)
            await source.stop()
            assert len(asyncio.all_tasks()) == 1

    run(scene)
