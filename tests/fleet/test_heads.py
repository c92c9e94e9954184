"""Heads against a model: a dictionary of paths."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeVar

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError, VerificationError
from attractor.base.json import Json, canonical_json, content_hash
from attractor.fleet.errors import BlobMissing, StoreAway
from attractor.fleet.store.heads import HeadTree, changed_files, reachable, sweep_blobs
from tests.fleet.memory_blobs import MemoryBlobs
from tests.tables import table

T = TypeVar("T")
Model = dict[str, tuple[bytes, int]]
KEEP_S = 100.0


class CountedBlobs(MemoryBlobs):
    """Blobs that count what is written and read."""

    def __init__(self) -> None:
        super().__init__(lambda: self.clock)
        self.clock = 0.0
        self.puts = self.bytes = 0
        self.reads = Counter[str]()

    async def put(self, content: bytes) -> str:
        self.puts += 1
        self.bytes += len(content)
        return await super().put(content)

    async def get(self, digest: str) -> bytes:
        self.reads[digest] += 1
        return await super().get(digest)


def run(scene: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(scene)


async def listed(found: AsyncIterator[T]) -> list[T]:
    return [one async for one in found]


@dataclass(frozen=True)
class Change:
    """A change of a tree; `fill` puts or removes many files of one folder."""

    kind: str
    path: str = ""
    content: bytes = b""
    mode: int = 0o600
    number: int = 0


PATHS = ["log", "dir", "dir/x", "dir/sub/y", "100%25.txt", "é/\udcff", "many/1", "a%ff\n", "\ue000"]
CONTENTS = [b"", b"one", b"x" * 70_000, b"y" * 20_000]
CHANGES = st.builds(
    Change,
    st.sampled_from(["put", "append", "append", "remove", "fill", "save"]),
    st.sampled_from(PATHS),
    st.sampled_from(CONTENTS),
    st.sampled_from([0o600, 0o644, 0o755]),
    st.sampled_from([0, 3, 256, 257, 300]),
)


async def apply(tree: HeadTree, model: Model, change: Change) -> None:
    """Apply a change to a tree and to its model."""
    if change.kind == "save":
        await tree.save()
    elif change.kind == "fill":
        for number in range(301):
            kind = "put" if number < change.number else "remove"
            await apply(tree, model, Change(kind, f"full/{number}", b"%d" % number))
    elif any(_are_nested(change.path, one) for one in model):
        with pytest.raises(UsageError, match="is a f"):
            await _apply(tree, change)
    else:
        await _apply(tree, change)
        before, mode = model.get(change.path, (b"", 0o600))
        if change.kind == "put":
            model[change.path] = change.content, change.mode
        elif change.kind == "append":
            model[change.path] = before + change.content, mode
        else:
            model.pop(change.path, None)


def _are_nested(path: str, other: str) -> bool:
    return path.startswith(f"{other}/") or other.startswith(f"{path}/")


async def _apply(tree: HeadTree, change: Change) -> None:
    if change.kind == "put":
        await tree.put(change.path, change.content, change.mode)
    elif change.kind == "append":
        await tree.append(change.path, change.content)
    else:
        await tree.remove(change.path)


async def model_of(tree: HeadTree) -> Model:
    return {
        path: (b"".join(await listed(tree.content(entry))), entry.mode)
        async for path, entry in tree.files()
    }


@given(st.lists(CHANGES, max_size=30), st.lists(CHANGES, max_size=6))
def test_tree_is_its_model_and_two_heads_differ_in_the_changed_files(
    first: list[Change], then: list[Change]
) -> None:
    async def scene() -> None:
        blobs, model = CountedBlobs(), Model()
        tree = HeadTree(blobs)
        for change in first:
            await apply(tree, model, change)
        assert await model_of(tree) == model
        old = await tree.save()
        assert (old == "") == (not model)
        before = await HeadTree.load(blobs, old)
        assert await model_of(before) == model
        after = await HeadTree.load(blobs, old)
        for change in then:
            await apply(after, model, change)
        new = await after.save()
        assert await model_of(await HeadTree.load(blobs, new)) == model
        entries, changed = dict(await listed(before.files())), dict(await listed(after.files()))
        files = entries.keys() | changed.keys()
        for heads, left, right in ((old, new), entries, changed), ((new, old), changed, entries):
            found = await listed(changed_files(blobs, *heads))
            assert dict(found) == {
                path: right.get(path) for path in files if left.get(path) != right.get(path)
            }
            assert len(found) == len(dict(found))
            present = set(left)
            for path, entry in found:
                present.discard(path)
                assert not (entry and any(_are_nested(path, one) for one in present))
                present |= {path} if entry else set()

    run(scene())


FILES: Mapping[str, bytes] = {f"dir/{number}": b"%d" % (number % 7) for number in range(600)}


def test_same_files_in_another_order_have_the_same_head() -> None:
    async def scene(paths: Sequence[str], more: Sequence[str]) -> str:
        blobs = CountedBlobs()
        tree = HeadTree(blobs)
        for path in (*paths, *more):
            await tree.put(path, FILES.get(path, b"more"))
        tree = await HeadTree.load(blobs, await tree.save())
        for path in more:
            await tree.remove(path)
        return await tree.save()

    all_paths, more = list(FILES), [f"dir/more{number}" for number in range(300)]
    for number in (600, 257, 256, 5):
        paths = all_paths[:number]
        head = run(scene(paths, ()))
        assert head == run(scene(paths[::-1], more)) == run(scene(paths, more[:1]))
    assert len({run(scene(order, ())) for order in permutations(["a/b/c", "a/c", "b"])}) == 1
    assert run(scene((), more)) == ""


def test_one_changed_file_among_many_writes_and_reads_few_blobs() -> None:
    async def scene() -> None:
        blobs = CountedBlobs()
        tree = HeadTree(blobs)
        for number in range(5_000):
            await tree.put(
                f"run/logs/{number}/x" if number % 2 else f"run/{number}", b"%d" % number
            )
        old = await tree.save()
        puts, tree = blobs.puts, await HeadTree.load(blobs, old)
        await tree.put("run/logs/77/x", b"changed")
        new = await tree.save()
        assert blobs.puts - puts <= 8
        blobs.reads.clear()
        assert [path async for path, _ in changed_files(blobs, old, new)] == ["run/logs/77/x"]
        assert blobs.reads.total() <= 2 * 8
        assert await (await HeadTree.load(blobs, new)).save() == new

    run(scene())


def test_file_that_grew_in_many_steps_has_few_segments_and_cheap_appends() -> None:
    async def scene() -> None:
        blobs = CountedBlobs()
        tree, written = HeadTree(blobs), list[int]()
        for number in range(10_000):
            await tree.append("events.jsonl", b"%08d" % number * 256)
            await tree.save()
            written.append(blobs.bytes)
        [(_, entry)] = await listed(tree.files())
        assert len(entry.segments) <= 60
        assert written[-1] - written[-257] <= 1.5 * (written[356] - written[100])
        assert written[-1] <= 6 * entry.size
        content = b"".join(await listed(tree.content(entry)))
        assert content == b"".join(b"%08d" % number * 256 for number in range(10_000))

    run(scene())


def test_appends_of_mixed_sizes_leave_few_small_segments() -> None:
    async def scene() -> None:
        tree = HeadTree(CountedBlobs())
        for number in range(400):
            await tree.append("log", bytes([number % 256]) * (500_000 if number % 20 == 0 else 7))
        await tree.append("log", b"z" * (20 << 20))
        [(_, entry)] = await listed(tree.files())
        assert max(segment.size for segment in entry.segments) <= 8 << 20
        assert len(entry.segments) <= 60

    run(scene())


def test_reachable_blobs_are_exact_and_a_sweep_removes_the_others_when_they_are_old() -> None:
    async def scene() -> None:
        blobs = CountedBlobs()
        tree = HeadTree(blobs)
        for path, content in FILES.items():
            await tree.put(path, content)
        first = await tree.save()
        stored = set(blobs.contents)
        assert sorted(await listed(reachable(blobs, [first, "", first]))) == sorted(stored)
        await tree.put("dir/7", b"other")
        second = await tree.save()
        old_only = stored - set(await listed(reachable(blobs, [second])))
        assert 0 < len(old_only) <= 8
        blobs.clock += KEEP_S + 1
        young = await blobs.put(b"young")
        assert await sweep_blobs(blobs, [first, second], KEEP_S) == 0
        assert await sweep_blobs(blobs, [second], KEEP_S) == len(old_only)
        assert old_only.isdisjoint(blobs.contents)
        assert young in blobs.contents
        with pytest.raises(BlobMissing):
            await sweep_blobs(blobs, [first], KEEP_S)
        # What is left of an earlier head is kept, and hides no damage of another one.
        assert await sweep_blobs(blobs, [], KEEP_S, [second, first]) == 0
        with pytest.raises(BlobMissing):
            await sweep_blobs(blobs, [first], KEEP_S, [second])
        assert dict(await listed((await HeadTree.load(blobs, second)).files()))

    run(scene())


def test_sweep_keeps_what_a_commit_puts_again_after_the_listing() -> None:
    class Sweeping(CountedBlobs):
        """A commit comes after the listing of a sweep."""

        head = ""

        async def digests(self) -> AsyncIterator[tuple[str, float]]:
            found = await listed(super().digests())
            self.head = await commit(self)
            for one in found:
                yield one

    async def commit(blobs: CountedBlobs) -> str:
        tree = HeadTree(blobs)
        await tree.put("dir/file", b"content")
        return await tree.save()

    async def scene() -> None:
        blobs = Sweeping()
        await commit(blobs)
        blobs.clock += KEEP_S + 1
        await sweep_blobs(blobs, [], KEEP_S)
        tree = await HeadTree.load(blobs, blobs.head)
        assert await model_of(tree) == {"dir/file": (b"content", 0o600)}

    run(scene())


@table("path", ["", "/etc/passwd", "a/../b", "..", ".", "a//b", "a/", "a\0b", "\ud800", "a/" * 300])
def test_invalid_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="invalid path"):
        run(HeadTree(MemoryBlobs()).put(path, b""))


DIGEST = content_hash(b"x")
FILE: Json = {"mode": 0o600, "segments": [[DIGEST, 1]], "size": 1}
LISTINGS: list[Json] = [
    {},
    [],
    {"entries": {}},
    {"entries": {"a": FILE}, "more": 1},
    {"entries": {"a": {"mode": 0o600, "segments": [[DIGEST, 1]], "size": 2}}},
    {"entries": {"a": {"mode": 0o4755, "segments": [[DIGEST, 1]], "size": 1}}},
    {"entries": {"a": {"mode": 0o600, "segments": [["../secret", 1]], "size": 1}}},
    {"entries": {"a": {"mode": 0o600, "segments": [[DIGEST, 0]], "size": 0}}},
    {"entries": {"a": {"folder": ""}}},
    {"entries": {"a": None}},
    *({"entries": {name: FILE}} for name in ("", ".", "..", "a/b", "%2f", "%2e.", "%", "a\0")),
    {"entries": {f"{number}": FILE for number in range(300)}},
    {"parts": {"0": [DIGEST, 3]}},
    {"parts": {"00": [DIGEST, 300]}},
    {"parts": {"0": ["x", 300]}},
    {"parts": {"0": [DIGEST, -1], "1": [DIGEST, 300]}},
]


@table("value", LISTINGS)
def test_invalid_listing_is_refused(value: Json) -> None:
    async def scene() -> None:
        blobs = MemoryBlobs()
        head = await blobs.put(canonical_json(value).encode())
        with pytest.raises(VerificationError, match=f"invalid listing {head}"):
            await HeadTree.load(blobs, head)

    run(scene())


IN_1 = [name for name in map(str, range(90)) if content_hash(name.encode()).startswith("1")][:2]
MANY: Json = {"entries": {f"{number}": FILE for number in range(256)}}


@table("part", [{"entries": {"a": FILE}}, {"entries": dict.fromkeys(IN_1, FILE)}, MANY])
def test_part_with_other_names_or_another_number_of_names_is_refused(part: Json) -> None:
    async def scene() -> None:
        blobs = MemoryBlobs()
        many = await blobs.put(canonical_json(MANY).encode())
        one = await blobs.put(canonical_json(part).encode())
        parts: Json = {"parts": {"0": [many, 256], "1": [one, 1]}}
        head = await blobs.put(canonical_json(parts).encode())
        with pytest.raises(VerificationError, match=f"invalid listing {one}"):
            await listed((await HeadTree.load(blobs, head)).files())

    run(scene())


class FailingBlobs(MemoryBlobs):
    """Blobs of which one put fails."""

    def __init__(self, fails_at: int) -> None:
        super().__init__()
        self.left = fails_at

    async def put(self, content: bytes) -> str:
        self.left -= 1
        if self.left == 0:
            raise StoreAway("the store is away")
        return await super().put(content)


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_head_is_whole_after_a_save_that_failed_before(fails_at: int) -> None:
    async def save() -> None:
        blobs = FailingBlobs(fails_at)
        tree = await HeadTree.load(blobs, "")
        await tree.put("a/b/first", b"1")
        await tree.put("a/second", b"2")
        with pytest.raises(StoreAway):
            await tree.save()
        head = await tree.save()
        assert {*blobs.contents} >= {one async for one in reachable(blobs, [head])}
        again = await HeadTree.load(blobs, head)
        assert {path async for path, _ in again.files()} == {"a/b/first", "a/second"}

    run(save())
