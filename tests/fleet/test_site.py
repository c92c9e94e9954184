"""What a process of an attempt tells its worker, over a real pair of sockets."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from attractor.base.json import Json, canonical_json, content_hash
from attractor.engine.outcome import Usage
from attractor.fleet.errors import BlobMissing, HeadTooLarge
from attractor.fleet.records import Claim, Spent
from attractor.fleet.seams import AttemptEnded, AttemptGone, KeepAsked
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.workers.fence import used_record
from attractor.fleet.workers.site import FolderSite
from tests.fleet.memory_blobs import MemoryBlobs
from tests.fleet.test_decisions import RUN

pytestmark = pytest.mark.anyio

SAYS = """
import socket, sys
end = socket.socket(fileno=int(sys.argv[3]))
end.sendall(LINES)
"""
SILENT = (sys.executable, "-c", SAYS.replace("LINES", "b''"))


async def test_process_tells_what_its_run_has_spent(tmp_path: Path) -> None:
    invalid: list[Json] = [[-1, 0, 0], [1, -8, 0], ["1", 8, 0], [1], "x", [1, 8.5, 0], [1, 8, -1]]
    said: list[dict[str, Json]] = [
        {"keep": 1, "used": used_record(Usage(3, 4, 0.5, unpriced_tokens=4))},
        {"keep": 2, "used": [1, 8, 0]},
        *({"keep": 3, "used": used} for used in invalid),
        {"keep": 4},
        {"ended": {"status": "approved", "used": [2.5, 9, 0]}},
    ]
    lines = b"".join(canonical_json(one).encode() + b"\n" for one in said)
    program = (sys.executable, "-c", SAYS.replace("LINES", repr(lines)))
    blobs = MemoryBlobs()

    async def blobs_of(universe: str) -> MemoryBlobs:
        return blobs

    site = FolderSite(tmp_path, blobs_of, os.environ, program)
    attempt = await site.begin(RUN, Claim(RUN.run_id, 1, 1, "w", "", 0))
    signs = [await attempt.next() for _ in said]
    await attempt.close()
    assert [one.spent for one in signs if isinstance(one, KeepAsked)] == [
        Spent(0.5, 7, 4),
        Spent(1.0, 8),
        *[None] * 8,
    ]
    assert isinstance(signs[-1], AttemptEnded)
    assert signs[-1].spent == Spent(2.5, 9)


async def test_process_that_dies_before_it_is_answered_is_gone(tmp_path: Path) -> None:
    program = (sys.executable, "-c", SAYS.replace("LINES", repr(b'{"keep":1}\n')))

    async def blobs_of(universe: str) -> MemoryBlobs:
        return MemoryBlobs()

    site = FolderSite(tmp_path, blobs_of, os.environ, program)
    attempt = await site.begin(RUN, Claim(RUN.run_id, 1, 1, "w", "", 0))
    assert isinstance(await attempt.next(), KeepAsked)
    for number in range(5):
        await attempt.answer(number)
        await asyncio.sleep(0.1)
    assert await attempt.next() == AttemptGone(0)
    await attempt.close()


async def test_process_gets_nothing_that_reaches_the_database(tmp_path: Path) -> None:
    says = SAYS.replace("LINES", "json.dumps({'ended': {'status': ' '.join(os.environ)}}).encode()")
    program = (sys.executable, "-c", f"import json, os\n{says.rstrip()[:-1]} + b'\\n')")
    environ = {
        **os.environ,
        "PGPASSWORD": "x",
        "ATTRACTOR_FLEET__URL": "x",
        "ATTRACTOR_TOKEN": "x",
        "KEPT": "x",
    }

    async def blobs_of(universe: str) -> MemoryBlobs:
        return MemoryBlobs()

    site = FolderSite(tmp_path, blobs_of, environ, program)
    attempt = await site.begin(RUN, Claim(RUN.run_id, 1, 1, "w", "", 0))
    ended = await attempt.next()
    await attempt.close()
    assert isinstance(ended, AttemptEnded)
    names = str(ended.report["status"]).split()
    assert "KEPT" in names
    assert not {"PGPASSWORD", "ATTRACTOR_FLEET__URL", "ATTRACTOR_TOKEN"} & {*names}


async def test_head_that_is_too_large_is_refused_with_its_largest_files(tmp_path: Path) -> None:
    blobs = MemoryBlobs()

    async def blobs_of(universe: str) -> MemoryBlobs:
        return blobs

    program = (sys.executable, "-c", SAYS.replace("LINES", "b''"))
    site = FolderSite(tmp_path, blobs_of, os.environ, program, max_bytes=100)
    folder, refused = f"runs/{RUN.run_id}", r"210 bytes.*100 bytes.*big.bin \(200 bytes\), .*small"
    tree = HeadTree(blobs)
    await tree.put(f"{folder}/small.txt", bytes(10))
    attempt = await site.begin(RUN, Claim(RUN.run_id, 1, 1, "w", await tree.save(), 0))
    assert await attempt.save() == await tree.save()
    (tmp_path / f"{RUN.run_id}-1" / folder / "big.bin").write_bytes(bytes(200))
    with pytest.raises(HeadTooLarge, match=refused):
        await attempt.save()
    assert await attempt.next() == AttemptGone(0)
    await attempt.close()
    await tree.put(f"{folder}/big.bin", bytes(200))
    with pytest.raises(HeadTooLarge, match=refused):
        await site.begin(RUN, Claim(RUN.run_id, 2, 2, "w", await tree.save(), 0))


async def test_attempt_that_cannot_begin_leaves_no_files(tmp_path: Path) -> None:
    blobs = MemoryBlobs()

    async def blobs_of(universe: str) -> MemoryBlobs:
        return blobs

    tree = HeadTree(blobs)
    await tree.put(f"runs/{RUN.run_id}/a.txt", b"there")
    await tree.put(f"runs/{RUN.run_id}/b.txt", b"lost")
    head = await tree.save()
    del blobs.contents[content_hash(b"lost")]
    site = FolderSite(tmp_path / "w", blobs_of, os.environ, SILENT)
    with pytest.raises(BlobMissing):
        await site.begin(RUN, Claim(RUN.run_id, 1, 1, "w", head, 0))
    assert [*(tmp_path / "w").iterdir()] == []


async def test_workspaces_of_an_attempt_are_removed_with_its_place(tmp_path: Path) -> None:
    async def blobs_of(universe: str) -> MemoryBlobs:
        return MemoryBlobs()

    site = FolderSite(tmp_path / "w", blobs_of, os.environ, SILENT)

    async def end(epoch: int, *, is_killed: bool) -> Path:
        attempt = await site.begin(RUN, Claim(RUN.run_id, epoch, epoch, "w", "", 0))
        shared = tmp_path / f"shared-{epoch}"
        (shared / "workspace").mkdir(parents=True)
        (tmp_path / "w" / f"{RUN.run_id}-{epoch}" / "state" / "workspaces").symlink_to(shared)
        if is_killed:
            await attempt.kill("lost")
        await attempt.close()
        return shared

    assert not (await end(1, is_killed=False)).exists()
    lost = await end(2, is_killed=True)
    # They are a part of the incident, until the next one of this run.
    assert lost.exists()
    await end(3, is_killed=True)
    assert not lost.exists()


async def test_attempt_whose_files_cannot_be_set_aside_ends_and_leaves_none(
    tmp_path: Path,
) -> None:
    async def blobs_of(universe: str) -> MemoryBlobs:
        return MemoryBlobs()

    site = FolderSite(tmp_path / "w", blobs_of, os.environ, SILENT)
    attempt = await site.begin(RUN, Claim(RUN.run_id, 1, 1, "w", "", 0))
    (tmp_path / "w" / "incidents").touch()
    await attempt.kill("lost")
    await attempt.close()
    assert [one.name for one in (tmp_path / "w").iterdir()] == ["incidents"]
