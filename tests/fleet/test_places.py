"""What a head of a run has, and what its next owner gets of it."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import tracemalloc
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.base.errors import VerificationError
from attractor.engine.seams import Base
from attractor.fleet.errors import StoreAway
from attractor.fleet.store.collecting import SeenObjects, split_objects
from attractor.fleet.store.heads import HeadTree, changed_files
from attractor.fleet.store.places import Collector, MachinePlace, lay_out
from attractor.workspaces.run_store import WorkspaceRecord, read_record, write_record
from tests.fleet.memory_blobs import MemoryBlobs
from tests.tables import table

RUN = "01RUN"
WHOLE = b"blob 4\0a\n1 2"
OBJECT, CONTENT = hashlib.sha1(WHOLE).hexdigest(), zlib.compress(WHOLE)


def make_place(root: Path) -> MachinePlace:
    place = MachinePlace.below(root)
    for folder in (
        place.runs / RUN / "a",
        place.store(RUN) / "objects" / OBJECT[:2],
        place.project,
    ):
        folder.mkdir(parents=True)
    (place.runs / RUN / "events.jsonl").write_text("1\n")
    (place.runs / RUN / "a" / "status.json").write_text("{}")
    (place.runs / RUN / "run.lock").touch()
    (place.runs / RUN / "elsewhere.json").write_text("{}")
    (place.store(RUN) / "objects" / OBJECT[:2] / OBJECT[2:]).write_bytes(CONTENT)
    folder = root / "state" / "workspaces" / "w"
    record = WorkspaceRecord(folder, Base("", "t", "t"), (), (), "sha1")
    write_record(place.store(RUN), record)
    return place


class Moving:
    """A run that is collected in one place, and laid out in others."""

    def __init__(self, place: MachinePlace) -> None:
        self.place, self.blobs, self.head = place, MemoryBlobs(), ""
        self.collector = Collector(place, lambda: [RUN])

    async def collect(self) -> str:
        tree = await HeadTree.load(self.blobs, self.head)
        await self.collector.collect(tree)
        self.head = await tree.save()
        return self.head

    async def lay_out(self, place: MachinePlace, old: str = "") -> None:
        tree = await HeadTree.load(self.blobs, self.head)
        await lay_out(tree, changed_files(self.blobs, old, self.head), place)


def files(place: MachinePlace) -> Mapping[str, bytes]:
    root = place.runs / RUN
    return {
        str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()
    }


def test_next_owner_gets_all_files_but_locks(tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")

    async def move() -> None:
        await moving.collect()
        await moving.lay_out(there)

    asyncio.run(move())
    here = files(moving.place)
    assert files(there) == {
        name: here[name] for name in here if name not in ("run.lock", "elsewhere.json")
    }
    assert (there.store(RUN) / "objects" / OBJECT[:2] / OBJECT[2:]).read_bytes() == CONTENT
    record = read_record(there.store(RUN))
    assert record
    assert record.folder == there.state / "workspaces" / "w"


def test_copy_follows_each_change(tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    root = moving.place.runs / RUN

    async def move() -> None:
        before = await moving.collect()
        await moving.lay_out(there)
        journal = there.runs / RUN / "events.jsonl"
        inode = journal.stat().st_ino
        with (root / "events.jsonl").open("a") as file:
            file.write("2\n")
        (root / "a" / "history" / "1.1").mkdir(parents=True)
        (root / "a" / "status.json").rename(root / "a" / "history" / "1.1" / "status.json")
        await moving.collect()
        await moving.lay_out(there, before)
        # Readers that follow a journal keep it open.
        assert journal.stat().st_ino == inode

    asyncio.run(move())
    assert files(there)["events.jsonl"] == b"1\n2\n"
    assert "a/status.json" not in files(there)
    assert files(there)["a/history/1.1/status.json"] == b"{}"


def test_long_history_is_collected_whole(tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    history = moving.place.runs / RUN / "a" / "history"

    def add(*names: str) -> None:
        for name in names:
            (history / name).mkdir(parents=True)
            (history / name / "status.json").write_text(name)

    async def collect() -> set[str]:
        before = moving.head
        await moving.collect()
        await moving.lay_out(there, before)
        return {path.parent.name for path in (there.runs / RUN / "a" / "history").glob("*/*")}

    async def move() -> None:
        add(*(f"{visit}.1" for visit in range(1, 301)))
        assert len(await collect()) == 300
        for names in (("300.2", "301.1"), ("302.1", "301.2.interrupted"), ("307.1",), ("308.1",)):
            add(*names)
            assert await collect() >= {*names}
        shutil.rmtree(history / "5.1")
        add("308.2")
        found = await collect()
        assert found == {path.name for path in history.iterdir()} == {*found} - {"5.1"}

    asyncio.run(move())


def test_checkpoint_comes_after_the_journal_to_which_it_refers(tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    (moving.place.runs / RUN / "checkpoint.json").write_text("{}")
    # The journal cannot be written.
    (there.runs / RUN / "events.jsonl").mkdir(parents=True)

    async def move() -> None:
        await moving.collect()
        with pytest.raises(IsADirectoryError):
            await moving.lay_out(there)

    asyncio.run(move())
    assert (there.runs / RUN / "a" / "status.json").exists()
    assert not (there.runs / RUN / "checkpoint.json").exists()


def test_unchanged_place_has_the_same_head(tmp_path: Path) -> None:
    moving = Moving(make_place(tmp_path / "here"))

    async def collect_twice() -> tuple[str, str]:
        return await moving.collect(), await moving.collect()

    first, second = asyncio.run(collect_twice())
    assert first == second


def test_object_that_follows_within_a_tick_is_not_missed(tmp_path: Path) -> None:
    objects, seen = tmp_path / "objects", SeenObjects()
    (objects / "ab").mkdir(parents=True)
    for number in range(200):
        name = f"{number:038x}"
        (objects / "ab" / name).write_bytes(b"x")
        os.utime(objects / "ab", ns=((at := (objects / "ab").stat().st_mtime_ns), at))
        assert [digest for digest, _ in split_objects(seen.added(objects))] == [f"ab{name}"]


@table("name", ["/etc/passwd", "runs/../x", "runs", "other/x", "", "stores/a/../../x"])
def test_head_names_no_file_outside_of_the_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="no file of a run"):
        MachinePlace.below(tmp_path).path(name)


FORGED = b"%s %d\n%s" % (b"0" * 40, len(CONTENT), CONTENT)
OUTSIDE = b"../../../outside 3\nabc"


@table("log", [FORGED, OUTSIDE, b"ab 1\nx"])
def test_object_with_another_content_or_place_is_refused(log: bytes, tmp_path: Path) -> None:
    async def move() -> None:
        tree = await HeadTree.load(moving.blobs, await moving.collect())
        await tree.append(f"stores/{RUN}/objects.log", log)
        moving.head = await tree.save()
        await moving.lay_out(MachinePlace.below(tmp_path / "there"))

    moving = Moving(make_place(tmp_path / "here"))
    with pytest.raises(VerificationError, match="has another content"):
        asyncio.run(move())
    assert not (tmp_path / "outside").exists()


def test_pack_whose_index_calls_a_content_another_one_gets_an_index_of_its_own(
    tmp_path: Path,
) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    store = moving.place.store(RUN)
    subprocess.run(["git", "init", "--quiet", "--bare", store], check=True)
    subprocess.run(["git", "hash-object", "-w", "--stdin"], cwd=store, input=b"abc", check=True)
    own = hashlib.sha1(b"blob 3\0abc").hexdigest()
    pack_objects = ["git", "pack-objects", "--quiet", store / "objects" / "pack" / "pack"]
    subprocess.run(pack_objects, cwd=store, input=f"{own}\n".encode(), check=True)
    (store / "objects" / own[:2] / own[2:]).unlink()
    [index] = (store / "objects" / "pack").glob("*.idx")
    index.chmod(0o600)
    # One object: its id stands behind a header of 8 bytes and 256 counts.
    content = index.read_bytes()
    counts = b"".join((int(number == 0xFF)).to_bytes(4) for number in range(256))
    content = content[:8] + counts + b"\xff" * 20 + content[8 + 1024 + 20 : -20]
    index.write_bytes(content + hashlib.sha1(content).digest())
    forged = subprocess.run(["git", "show", "f" * 40], cwd=store, capture_output=True, check=True)
    assert forged.stdout == b"abc"

    async def move() -> None:
        await moving.collect()
        tree = await HeadTree.load(moving.blobs, moving.head)
        await lay_out(tree, tree.files(), there, search_path=os.environ["PATH"])

    asyncio.run(move())
    for name, code in ((own, 0), ("f" * 40, 1)):
        found = subprocess.run(["git", "cat-file", "-e", name], cwd=there.store(RUN), check=False)
        assert bool(found.returncode) == bool(code)


@table("folder", ["/", "/etc/x/.."])
def test_record_of_a_store_names_no_folder_outside_also_at_the_second_try(
    folder: str, tmp_path: Path
) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    record = WorkspaceRecord(Path(folder), Base("", "t", "t"), (), (), "sha1")
    write_record(moving.place.store(RUN), record)
    asyncio.run(moving.collect())
    for _ in range(2):
        with pytest.raises(VerificationError, match="no record of a store"):
            asyncio.run(moving.lay_out(there))
    assert read_record(there.store(RUN)) is None


@table("name", ["stores/{}/workspace.json", "runs/{}/events.jsonl"])
def test_what_is_known_is_not_replaced_by_way_of_a_removal(name: str, tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")

    async def move() -> None:
        before = await moving.collect()
        await moving.lay_out(there)
        moving.place.path(name.format(RUN)).unlink()
        tree = await HeadTree.load(moving.blobs, await moving.collect())
        changed = changed_files(moving.blobs, before, moving.head)
        await lay_out(tree, changed, there, grows=True)

    with pytest.raises(VerificationError, match="which an earlier one has"):
        asyncio.run(move())
    assert there.path(name.format(RUN)).exists()


def test_object_that_inflates_to_much_more_takes_little_memory(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(64 << 20))
    moving, place = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")

    async def move() -> None:
        tree = await HeadTree.load(moving.blobs, await moving.collect())
        await tree.append(f"stores/{RUN}/objects.log", b"%s %d\n%s" % (b"0" * 40, len(bomb), bomb))
        moving.head = await tree.save()
        await moving.lay_out(place)

    tracemalloc.start()
    try:
        with pytest.raises(VerificationError, match="has another content"):
            asyncio.run(move())
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_journal_that_does_not_continue_the_known_one_is_refused(tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")

    async def move() -> None:
        await moving.collect()
        await moving.lay_out(there)
        # Written beside the known one: a file system may give the id of a removed file again.
        other = tmp_path / "other"
        other.write_text("other\n")
        other.replace(moving.place.runs / RUN / "events.jsonl")
        before = moving.head
        tree = await HeadTree.load(moving.blobs, await moving.collect())
        changed = changed_files(moving.blobs, before, moving.head)
        await lay_out(tree, changed, there, grows=True)

    with pytest.raises(VerificationError, match="does not continue"):
        asyncio.run(move())


def test_link_and_pipe_of_an_agent_are_not_read(tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    (moving.place.runs / RUN / "a" / "link").symlink_to("/etc/passwd")
    os.mkfifo(moving.place.runs / RUN / "a" / "pipe")

    async def move() -> None:
        await moving.collect()
        await moving.lay_out(there)

    asyncio.run(move())
    assert not {"a/link", "a/pipe"} & files(there).keys()


class FailingBlobs(MemoryBlobs):
    """Blobs whose store is away once, at a request."""

    away_at = 0

    async def put(self, content: bytes) -> str:
        self.away_at -= 1
        if self.away_at == 0:
            raise StoreAway("no store")
        return await super().put(content)


@table("at", range(1, 8))
def test_nothing_is_missed_when_the_store_fails_in_between(at: int, tmp_path: Path) -> None:
    moving, there = Moving(make_place(tmp_path / "here")), MachinePlace.below(tmp_path / "there")
    moving.blobs = blobs = FailingBlobs()
    blobs.away_at = at

    async def move() -> None:
        tree = await HeadTree.load(blobs, "")
        while not moving.head:
            with suppress(StoreAway):
                await moving.collector.collect(tree)
                moving.head = await tree.save()
        await moving.lay_out(there)

    asyncio.run(move())
    assert files(there)["events.jsonl"] == b"1\n"
    assert (there.store(RUN) / "objects" / OBJECT[:2] / OBJECT[2:]).exists()
