"""The contract of blobs over memory, a folder and a stand-in for S3."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor.base.errors import AttractorError, NewerFormat, Refused, UsageError
from attractor.base.json import content_hash
from attractor.fleet.errors import BlobChanged, BlobMissing, StoreAway
from attractor.fleet.fleet import open_blobs
from attractor.fleet.seams import Blobs
from attractor.fleet.store.blobs import MARKER
from attractor.fleet.store.bucket_blobs import BucketBlobs
from tests.fleet.stores import OLD_S, BucketStore, FolderStore, MemoryStore, Store
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.tables import table

pytestmark = pytest.mark.anyio

T = TypeVar("T")


def new_bucket(request: pytest.FixtureRequest) -> BucketStore:
    return BucketStore(request.getfixturevalue("s3_environ"), f"fleet-{uuid.uuid4().hex}")


@pytest.fixture(params=["memory", "folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return FolderStore(tmp_path / "store") if request.param == "folder" else new_bucket(request)


@pytest.fixture(params=["folder", "bucket"])
def outer_store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStore | BucketStore:
    """A store outside the process."""
    return FolderStore(tmp_path / "store") if request.param == "folder" else new_bucket(request)


async def listed(found: AsyncIterator[T]) -> list[T]:
    return [one async for one in found]


async def digests(blobs: Blobs) -> list[str]:
    return sorted([digest async for digest, _ in blobs.digests()])


async def test_size_is_that_of_one_universe(store: Store) -> None:
    home, other = await store.open(), await store.open("u")
    assert await home.size() == 0
    for content in (b"12", b"12", b"345"):
        await home.put(content)
    assert await home.size() == 5
    if not isinstance(store, MemoryStore):
        await other.put(b"6")
        assert (await home.size(), await other.size()) == (5, 1)


async def test_contents_are_read_as_they_were_put_by_many_at_once(store: Store) -> None:
    blobs = await store.open()
    contents = [b"", b"small", os.urandom(300_000)]
    names = await asyncio.gather(*(blobs.put(one) for one in contents * 4))
    assert names == [content_hash(one) for one in contents] * 4
    again = await store.open()
    assert [await again.get(name) for name in names[:3]] == contents
    assert await digests(again) == sorted(names[:3])


async def test_missing_blob_is_an_error_also_with_a_name_that_is_no_hash(store: Store) -> None:
    blobs = await store.open()
    await blobs.put(b"other")
    for name in ("0" * 64, "../../secret", "", "a" * 63 + "/"):
        with pytest.raises(BlobMissing):
            await blobs.get(name)
        await blobs.remove([name], 0.0)


async def test_flipped_byte_is_found_at_the_read(store: Store) -> None:
    blobs = await store.open()
    digest = await blobs.put(b"content")
    store.write(store.blob_key(digest), b"cOntent")
    with pytest.raises(BlobChanged, match=digest):
        await blobs.get(digest)


async def test_only_old_blobs_are_removed_and_a_put_after_the_listing_wins(store: Store) -> None:
    blobs = await store.open()
    again, old = [await blobs.put(one) for one in (b"put again", b"old")]
    await store.age()
    young = await blobs.put(b"young")
    ages = dict(await listed(blobs.digests()))
    assert min(ages[again], ages[old]) > OLD_S >= ages[young]
    await blobs.put(b"put again")
    await blobs.remove([again, old, young], OLD_S)
    ages = dict(await listed(blobs.digests()))
    assert max(ages[again], ages[young]) <= OLD_S
    # Once more for what a bucket set aside.
    await blobs.remove([old], -1.0)
    assert await digests(blobs) == sorted([again, young])
    with pytest.raises(BlobMissing):
        await blobs.get(old)


async def test_put_that_comes_before_the_deletion_of_an_object_loses_nothing(
    request: pytest.FixtureRequest,
) -> None:
    class Late(BucketBlobs):
        """A removal during which somebody puts the same content."""

        async def _objects(self) -> Any:
            objects = await super()._objects()
            await self.put(b"content")
            return objects

    store = new_bucket(request)
    blobs = await store.open()
    assert isinstance(blobs, BucketBlobs)
    digest = await blobs.put(b"content")
    late = Late(blobs.store, store.url, "home")
    await late.remove([digest], -1.0)
    assert await blobs.get(digest) == b"content"
    assert await digests(blobs) == [digest]
    # Again, with an object that was set aside before.
    await blobs.put(b"content")
    await blobs.remove([digest], -1.0)
    assert await blobs.get(digest) == b"content"


async def test_removal_during_a_put_loses_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    blobs = await store.open()
    for _ in range(50):
        digest = await blobs.put(b"content")
        await store.age()
        await asyncio.gather(blobs.put(b"content"), blobs.remove([digest], OLD_S))
        assert await blobs.get(digest) == b"content"


async def test_blob_of_one_universe_is_not_in_another(
    outer_store: FolderStore | BucketStore,
) -> None:
    one, other = await outer_store.open("one"), await outer_store.open("other")
    digest = await one.put(b"content")
    with pytest.raises(BlobMissing):
        await other.get(digest)
    await other.remove([digest], -1.0)
    assert await digests(other) == []
    assert await one.get(digest) == b"content"


@table(
    "content, error",
    [
        (b"[]", Refused),
        (b'{"format":true,"id":""}', Refused),
        (b'{"format":2,"id":""}', NewerFormat),
    ],
)
async def test_store_with_another_marker_is_refused(
    outer_store: FolderStore | BucketStore, content: bytes, error: type[AttractorError]
) -> None:
    outer_store.write(MARKER, content)
    with pytest.raises(error, match=outer_store.url):
        await outer_store.open()


async def test_foreign_store_is_refused_and_stays_as_it_was(
    outer_store: FolderStore | BucketStore,
) -> None:
    outer_store.write("photo.jpg", b"x")
    for _ in range(2):
        with pytest.raises(Refused, match="not a store of Attractor"):
            await outer_store.open()


async def test_many_open_an_empty_store_at_once(outer_store: FolderStore | BucketStore) -> None:
    async def start(number: int) -> str:
        return await (await outer_store.open()).put(b"%d" % number)

    names = await asyncio.gather(*map(start, range(8)))
    assert await digests(await outer_store.open()) == sorted(names)


async def test_bucket_that_does_not_answer_is_away_soon(request: pytest.FixtureRequest) -> None:
    store = new_bucket(request)
    environ = {**store.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(StoreAway, match=store.url):
            await open_blobs(store.url, environ)
    with pytest.raises(Refused, match="no bucket at s3://not-there"):
        await open_blobs("s3://not-there", store.environ)


async def test_folder_that_is_gone_is_away_and_is_not_made_again(tmp_path: Path) -> None:
    blobs = await open_blobs(f"file://{tmp_path}/store", {})
    digest = await blobs.put(b"content")
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreAway):
        await blobs.put(b"other")
    with pytest.raises(StoreAway):
        await blobs.get(digest)
    assert not (tmp_path / "store").exists()


async def test_removal_clears_what_killed_writers_left(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    blobs = await store.open()
    await blobs.put(b"content")
    store.write("universes/home/.new/0123", b"half")
    await blobs.remove([], OLD_S)
    assert list(store.folder.rglob("0123"))
    await store.age()
    await blobs.remove([], OLD_S)
    assert not list(store.folder.rglob("0123"))
    assert store.folder.stat().st_mode & 0o777 == 0o700


@table(
    "url, universe, environ",
    [
        ("ftp://host/x", "home", {}),
        ("file://host/x", "home", {}),
        ("s3://", "home", {}),
        ("s3://key@bucket/x", "home", {}),
        ("store", "../home", {}),
        ("store", "", {}),
        ("s3://bucket", "home", {"AWS_ENDPOINT_URL": "http://store.example"}),
    ],
)
async def test_invalid_address_is_refused(
    url: str, universe: str, environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        await open_blobs(url, environ, universe=universe)


def test_obstore_is_loaded_for_a_bucket_only(tmp_path: Path) -> None:
    text = (
        "import asyncio, sys; from attractor.fleet.fleet import open_blobs; "
        f"asyncio.run(open_blobs({str(tmp_path / 'store')!r}, {{}})); "
        "sys.exit('obstore' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


async def test_known_store_is_never_made_again(
    tmp_path: Path, s3_environ: Mapping[str, str]
) -> None:
    async def check(store: FolderStore | BucketStore, environ: Mapping[str, str]) -> None:
        known = (await open_blobs(store.url, environ)).store_id
        again = await open_blobs(store.url, environ, universe="other", known=known)
        assert again.store_id == known
        with pytest.raises(Refused, match="of another fleet"):
            await open_blobs(store.url, environ, known="0" * 32)

    async def check_missing(url: str, environ: Mapping[str, str]) -> None:
        with pytest.raises(StoreAway, match="has no marker") as away:
            await open_blobs(url, environ, known="0" * 32)
        assert "set fleet.store" in str(away.value.hint)

    await check(FolderStore(tmp_path / "store"), {})
    await check_missing(str(tmp_path / "unmounted"), {})
    assert not (tmp_path / "unmounted").exists()
    bucket = BucketStore(s3_environ, "known")
    await check(bucket, s3_environ)
    await check_missing(f"s3://{bucket.bucket}/else", s3_environ)
