import asyncio
import shutil
from pathlib import Path

import pytest

from attractor.server.events.buffer import KEPT, EventFilter
from attractor.server.events.streams import Sources
from attractor.server.events.tails import Tail
from tests.patience import until
from tests.server.events.journals import Journalist
from tests.server.events.readers import open_reader, run


def test_readers_get_history_and_new_events_once_until_the_run_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        writer = Journalist(tmp_path / "run")
        writer.say("one", "two")
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            early = await open_reader(tail)
            await early.see("two")
            writer.say("three")
            await early.see("three")
            late = await open_reader(tail, after=2)
            writer.change("failed", "broken")
            writer.stop()
            for reader, first in ((early, 1), (late, 3)):
                await reader.finish()
                assert reader.ids == list(range(first, 5))
                end = {"status": "failed", "reason": "broken", "restarted_as": "", "last": 4}
                assert reader.notices == [("end", end)]

    run(scene)


def test_reader_continues_while_the_run_is_idle(tmp_path: Path) -> None:
    """A killed writer leaves a torn line, and a resumed run removes it."""

    async def scene() -> None:
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            reader = await open_reader(tail)
            with Journalist(tmp_path / "run") as writer:
                writer.say("one")
                await reader.see("one")
            with writer.directory.events.open("ab") as journal:
                journal.write(b'{"data":{"torn')
            with Journalist(tmp_path / "run", writer.head) as other:
                other.say("two")
                await reader.see("two")
            assert reader.ids == [1, 2]

    run(scene)


def test_reader_who_asks_for_it_is_told_when_a_process_takes_or_leaves_the_run(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        writer = Journalist(tmp_path / "run")
        writer.say("one")
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            asking = await open_reader(tail, wanted=EventFilter(wants_process=True))
            plain = await open_reader(tail)
            await asking.see('"live":true')
            writer.say("two")
            writer.stop()
            await asking.see('"live":false')
            other = Journalist(tmp_path / "run", writer.head)
            other.change("failed")
            other.stop()
            await asking.finish()
            await plain.finish()
        assert asking.ids == plain.ids == [1, 2, 3]
        told = [data for name, data in asking.notices if name == "process"]
        assert told[:2] == [{"live": True}, {"live": False}]
        assert [one.id for one in asking.events][:4] == [1, 0, 2, 0]
        assert [name for name, _ in plain.notices] == ["end"]

    run(scene)


def test_stream_of_a_removed_run_ends_with_a_problem(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            reader = await open_reader(tail)
            with Journalist(tmp_path / "run") as writer:
                writer.say("one")
                await reader.see("one")
            shutil.rmtree(tmp_path / "run")
            await reader.finish()
            assert [name for name, _ in reader.notices] == ["problem", "end"]

    run(scene)


def test_reader_of_a_long_history_gets_each_event_once(tmp_path: Path) -> None:
    async def scene() -> None:
        writer = Journalist(tmp_path / "run")
        writer.say(*map(str, range(KEPT + 700)))
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            reader = await open_reader(tail)
            writer.say("last")
            await reader.see("last")
            assert reader.ids == list(range(1, KEPT + 702))
            middle = await open_reader(tail, after=500)
            await middle.see("last")
            assert middle.ids == list(range(501, KEPT + 702))
        writer.stop()

    run(scene)


def test_slow_reader_is_dropped_with_the_number_of_its_last_event(tmp_path: Path) -> None:
    async def scene() -> None:
        writer = Journalist(tmp_path / "run")
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            slow, quick = await open_reader(tail), await open_reader(tail)
            writer.say("one")
            await slow.see("one")
            writer.say(*map(str, range(KEPT + 10)), "last")
            await quick.see("last")
            await slow.finish()
            assert slow.ids == [1]
            assert slow.notices == [("dropped", {"last": 1, "reason": "the reader was too slow"})]
            again = await open_reader(tail, after=1)
            await again.see("last")
            assert slow.ids + again.ids == quick.ids
        writer.stop()

    run(scene)


@pytest.mark.parametrize("is_old", [True, False])
def test_corrupt_line_is_a_problem_after_the_events_before_it(tmp_path: Path, is_old: bool) -> None:
    async def scene() -> None:
        writer = Journalist(tmp_path / "run")
        writer.say("one", "two", "three")
        writer.say(*map(str, range(KEPT * is_old)))
        journal = writer.directory.events
        journal.write_bytes(journal.read_bytes().replace(b"three", b"threw"))
        writer.stop()
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            reader = await (await open_reader(tail)).finish()
            assert reader.ids == [1, 2]
            (kind, problem), end = reader.notices
            assert kind == "problem"
            assert "line 3 was changed" in str(problem)
            assert end == ("end", {"last": 2})

    run(scene)


def test_filters_keep_the_place_of_a_reader(tmp_path: Path) -> None:
    async def scene() -> None:
        writer = Journalist(tmp_path / "run")
        writer.say("one", node="plan")
        writer.say("two", node="make")
        writer.say(*map(str, range(2 * KEPT)))
        writer.change("canceled")
        writer.stop()
        async with Sources(Tail).watch(tmp_path / "run") as tail:
            for wanted, ids in (
                (EventFilter(node="make"), [2]),
                (EventFilter(frozenset(["RunStatusChanged"])), [2 * KEPT + 3]),
                (EventFilter(frozenset(["Said"]), node="plan"), [1]),
            ):
                reader = await (await open_reader(tail, wanted=wanted)).finish()
                found = [(one.id, one.type) for one in reader.events if one.id]
                assert [id_ for id_, type_ in found if type_ != "skipped"] == ids
                assert any(id_ >= KEPT and type_ == "skipped" for id_, type_ in found)
                assert reader.notices[-1][0] == "end"

    run(scene)


def test_first_reader_starts_a_tail_and_the_last_one_stops_it(tmp_path: Path) -> None:
    async def scene() -> None:
        tails = Sources(Tail)
        async with tails.watch(tmp_path / "a") as first, tails.watch(tmp_path / "a") as second:
            assert first is second
            async with tails.watch(tmp_path / "b") as other:
                assert other is not first
                assert len(tails) == 2
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
        assert not len(tails)

    run(scene)


def test_source_is_kept_for_readers_that_come_back(tmp_path: Path) -> None:
    async def scene() -> None:
        tails = Sources(Tail, linger_s=0.05)
        for _ in range(2):
            async with tails.watch(tmp_path) as source:
                await source.begin(None)
            async with tails.watch(tmp_path) as again:
                assert again is source
        await until(lambda: len(asyncio.all_tasks()) <= 1)
        assert not len(tails)

    run(scene)


def test_kept_source_ends_with_the_server(tmp_path: Path) -> None:
    async def scene() -> None:
        tails = Sources(Tail, linger_s=3600)
        async with tails.watch(tmp_path) as source:
            await source.begin(None)
        assert len(tails)
        await tails.close()
        assert (len(tails), len(asyncio.all_tasks())) == (0, 1)

    run(scene)


def test_new_reader_gets_the_events_of_an_ended_run_that_went_on(tmp_path: Path) -> None:
    async def scene() -> None:
        tails = Sources(Tail)
        with Journalist(tmp_path) as writer:
            writer.change("approved")
        async with tails.watch(tmp_path) as ended:
            await (await open_reader(ended)).finish()
            with Journalist(tmp_path, writer.head) as again:
                again.say("promoted")
            async with tails.watch(tmp_path) as tail:
                reader = await (await open_reader(tail, after=1)).finish()
                assert reader.ids == [2]

    run(scene)
