import asyncio
import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from attractor.base.errors import MachineryError, UsageError
from attractor.base.files import remove_tree
from attractor.base.hash_chain import ChainHead
from attractor.base.json import parse_json
from attractor.server.events import feed
from attractor.server.events.buffer import StreamEvent
from attractor.server.events.feed import Feed, FeedStore
from tests.patience import until
from tests.server.events.journals import Journalist
from tests.server.events.readers import run


@contextmanager
def open_store(folder: Path, *, fill: bool = True) -> Generator[FeedStore]:
    """Open the store of a folder, as a server does at its start."""
    store = FeedStore(folder / "runs", folder / "state")
    try:
        if fill:
            store.fill(is_full=True)
        yield store
    finally:
        store.close()


def words(events: Sequence[StreamEvent]) -> list[str]:
    """Return the run and the word of each event."""
    found: list[str] = []
    for one in events:
        match parse_json(one.content):
            case {"run_id": str(run), "data": {"word": str(word)}}:
                found.append(f"{run} {word}")
            case {"run_id": str(run), "data": {"detail": str(detail)}}:
                found.append(f"{run} {one.type} {detail}")
            case other:
                raise AssertionError(other)
    return found


def all_events(store: FeedStore, after: int = 0) -> list[StreamEvent]:
    found: list[StreamEvent] = []
    while events := store.read(found[-1].id if found else after):
        found += events
    return found


def test_events_get_numbers_once_across_restarts(tmp_path: Path) -> None:
    with open_store(tmp_path), Journalist(tmp_path / "runs/a") as a:
        a.say("one", "two")
    with open_store(tmp_path) as store, Journalist(tmp_path / "runs/b") as b:
        before = all_events(store)
        b.say("three")
        with Journalist(tmp_path / "runs/a", a.head) as again:
            again.say("four")
        store.fill()
        assert words(all_events(store)) == ["a one", "a two", "a four", "b three"]
    with open_store(tmp_path) as store:
        events = all_events(store)
        assert events[:2] == before
        numbers = [one.id for one in events]
        assert numbers == list(range(store.first + 1, store.last + 1))
        assert words(all_events(store, after=numbers[1])) == ["a four", "b three"]
        for unknown in (store.first - 1, store.last + 1):
            with pytest.raises(UsageError, match="unknown event"):
                store.require_known(unknown)
        for known in (0, store.first, store.last):
            store.require_known(known)


def test_lost_store_begins_with_larger_numbers(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, Journalist(tmp_path / "runs/a") as a:
        a.say("one")
        store.fill()
        last = store.last
    remove_tree(tmp_path / "state")
    # Numbers begin with the milliseconds of the clock.
    while time.time() * 1000 < last + 1:
        time.sleep(0.001)
    with open_store(tmp_path) as store:
        assert store.first > last


def test_events_before_the_first_start_have_no_number(tmp_path: Path) -> None:
    with Journalist(tmp_path / "runs/a") as a:
        a.say("old")
        with open_store(tmp_path) as store:
            assert all_events(store) == []
            a.say("new")
            store.fill(is_full=True)
            assert words(all_events(store)) == ["a new"]


def test_long_journal_and_many_runs_are_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCH", 4)
    with open_store(tmp_path):
        pass
    for name in "abc":
        with Journalist(tmp_path / "runs" / name) as writer:
            writer.say(*map(str, range(10)))
    with open_store(tmp_path) as store:
        wanted = [f"{name} {number}" for name in "abc" for number in range(10)]
        assert words(all_events(store)) == wanted


def test_quiet_runs_are_polled_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SLICE", 1)
    runs = tmp_path / "runs"
    with open_store(tmp_path) as store, ExitStack() as writing:
        heads = {name: write_once(runs / name) for name in "abcd"}
        held = writing.enter_context(Journalist(runs / "held"))
        held.say("one")
        store.fill()
        last = store.last
        for journal in runs.glob("*/events.jsonl"):
            os.utime(journal, times=(0, time.time() - 2 * feed.QUIET_S))
        store.fill()
        writing.enter_context(Journalist(runs / "d", heads["d"])).say("two")
        held.say("two")
        store.fill()
        assert words(store.read(last)) == ["held two"], "a held run is looked at each time"
        for _ in "bc":
            store.fill()
        assert len(store.read(last)) == 1
        store.fill()
        assert words(store.read(last)) == ["held two", "d two"]


def write_once(root: Path) -> ChainHead:
    with Journalist(root) as writer:
        writer.say("one")
    return writer.head


def test_removed_run_has_no_events(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for name in "abc":
            write_once(tmp_path / "runs" / name)
        store.fill()
        remove_tree(tmp_path / "runs/b")
        assert words(all_events(store)) == ["a one", "c one"], "its numbers are skipped"
        store.fill()
        assert words(all_events(store)) == ["a one", "c one"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b'"three"', b'"threw"', "line 3 was changed, or sealed with another key"),
        (None, b"", "invalid offset"),
    ],
)
def test_corrupt_journal_is_one_problem(
    tmp_path: Path, old: bytes | None, new: bytes, fault: str
) -> None:
    with open_store(tmp_path) as store, Journalist(tmp_path / "runs/a") as a:
        a.say("one", "two")
        store.fill()
        a.say("three", "four")
        journal = a.directory.events
        journal.write_bytes(journal.read_bytes().replace(old, new) if old else b"{}")
        for _ in range(2):
            store.fill()
        [*_, problem] = words(all_events(store))
        assert problem.startswith("a problem ")
        assert fault in str(parse_json(all_events(store)[-1].content))
        assert [one.type for one in all_events(store)].count("problem") == 1


def test_two_servers_share_the_numbers(tmp_path: Path) -> None:
    with open_store(tmp_path) as one, open_store(tmp_path) as two:
        with Journalist(tmp_path / "runs/a") as a:
            for word in ("one", "two", "three"):
                a.say(word)
                one.fill()
                two.fill()
        assert all_events(one) == all_events(two)
        assert words(all_events(one)) == ["a one", "a two", "a three"]


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        pass
    for file in store.file.parent.iterdir():
        file.write_text("no database" * 100)
    with pytest.raises(MachineryError, match="cannot use the feed of events"), open_store(tmp_path):
        pass


def test_feed_that_is_stopped_while_it_begins_closes_its_file(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        file = store.file

    async def scene() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            feed = Feed(tmp_path / "runs", tmp_path / "state")
            await until(lambda: times_open(file) >= 2)
            stopping = asyncio.create_task(feed.stop())
            await asyncio.sleep(0.01)
            other.rollback()
        await stopping
        assert not times_open(file)

    run(scene)


def times_open(file: Path) -> int:
    links: list[Path] = []
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(one.readlink())
    return links.count(file)
