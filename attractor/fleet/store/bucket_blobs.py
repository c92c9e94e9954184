"""A store of blobs in a bucket, over S3, with these objects:

    attractor-store.json             the marker
    universes/U/blobs/HASH
    universes/U/aside/HASH
    universes/U/clock                empty: written by `digests` to learn the time of the store

A put overwrites nothing, so a worker needs no right to do that, or to delete. A second put leaves
no trace, and a bucket cannot compare and delete in one step. Therefore `remove` moves an old blob
to `aside`, where `get` still finds it, and deletes it when it was there for as long again: a put,
or a delayed request, that comes in between loses nothing.

Requests run in threads: after an error of an `async` function of obstore, 3 of 40 processes that
ended soon were aborted.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.base.json import content_hash
from attractor.fleet.errors import StoreAway
from attractor.fleet.store.blobs import (
    MARKER,
    checked,
    is_digest,
    missing,
    new_marker,
    require_marker,
    run_each,
)

if TYPE_CHECKING:
    from obstore import ObjectMeta  # exists for types only

_TRIES = 3

_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
"""The variables that obstore gets, by the names that it knows."""


async def open_bucket(
    url: str, environ: Mapping[str, str], universe: str, known: str
) -> "BucketBlobs":
    """Open the area of a universe in a bucket, `s3://bucket/prefix`."""
    place = urlsplit(url)
    if not place.netloc or place.query or place.fragment or "@" in place.netloc:
        raise UsageError(f"invalid store {url!r}", hint="write s3://bucket/prefix")
    given = {name: environ[name] for name in _VARIABLES if environ.get(name)}
    try:
        store = S3Store(
            place.netloc,
            prefix=place.path.strip("/") or None,
            config=given,  # pyright: ignore[reportArgumentType]  # obstore knows these names too
            client_options={
                "allow_http": _may_use_http(given, environ),
                "connect_timeout": timedelta(seconds=3),
                "timeout": timedelta(seconds=30),
            },
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=10),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=1),
                    "base": 2,
                },
            },
        )
    except (BaseError, ValueError) as cause:
        raise UsageError(f"invalid store {url}: {_first_line(cause)}") from cause
    blobs = BucketBlobs(store, url, universe)
    await blobs.require_ours(known)
    return blobs


class BucketBlobs:
    """Blobs of one universe in a bucket."""

    def __init__(self, store: S3Store, url: str, universe: str) -> None:
        self.store, self._url = store, url
        self._area = f"universes/{universe}"
        self.store_id = ""

    async def require_ours(self, known: str) -> None:
        """Make the marker if the store is empty and new; refuse one without a valid marker."""
        content = await self._read(MARKER)
        if content is None and not known:
            with _errors_of(self._url):
                if not await anext(self._list(""), None):
                    await self._create(MARKER, new_marker())
            # Another process may have made it meanwhile.
            content = await self._read(MARKER)
        self.store_id = require_marker(content, self._url, known)

    async def put(self, content: bytes) -> str:
        """Store a content."""
        digest = content_hash(content)
        with _errors_of(self._url):
            for _ in range(_TRIES):
                if await self._create(f"{self._area}/blobs/{digest}", content):
                    return digest
                # It is missing if it was moved, or if another request is under way.
                if await self._time(f"{self._area}/blobs/{digest}"):
                    return digest
        raise StoreAway(f"the store {self._url} does not take the blob {digest}")

    async def get(self, digest: str) -> bytes:
        """Return a content."""
        for kind in ("blobs", "aside") if is_digest(digest) else ():
            content = await self._read(f"{self._area}/{kind}/{digest}")
            if content is not None:
                return checked(digest, content, self._url)
        raise missing(digest, self._url)

    async def digests(self) -> AsyncIterator[tuple[str, float]]:
        """Yield hashes and ages."""
        for digest, age_s in _ages(await self._objects()).items():
            yield digest, age_s

    async def size(self) -> int:
        """Return the number of bytes."""
        return sum(item.size for item in await self._objects())

    async def remove(self, digests: Collection[str], older_s: float) -> None:
        """Set old blobs aside, and remove those that are aside for that time."""
        objects = await self._objects()
        ages = _ages(objects)
        old = {digest for digest in digests if ages.get(digest, 0.0) > older_s}
        present = [item for item in objects if item.digest in old and item.kind == "blobs"]
        aside = [item for item in objects if item.digest in old and item.kind == "aside"]
        moved = {item.digest for item in present}
        with _errors_of(self._url):
            await run_each(self._set_aside, present)
            done = [*present, *(item for item in aside if item.digest not in moved)]
            if done:
                await asyncio.to_thread(self.store.delete, [item.key for item in done])

    async def _set_aside(self, item: "_Object") -> None:
        aside = f"{self._area}/aside/{item.digest}"
        # Missing if another sweep moved it.
        with suppress(FileNotFoundError):
            await asyncio.to_thread(self.store.copy, item.key, aside)

    async def _create(self, key: str, content: bytes) -> bool:
        """Create an object; return False if it exists."""
        try:
            await asyncio.to_thread(self.store.put, key, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    async def _read(self, key: str) -> bytes | None:
        with _errors_of(self._url):
            try:
                return await asyncio.to_thread(lambda: bytes(self.store.get(key).bytes()))
            except FileNotFoundError:
                return None

    async def _time(self, key: str) -> datetime | None:
        try:
            return (await asyncio.to_thread(self.store.head, key))["last_modified"]
        except FileNotFoundError:
            return None

    async def _list(self, prefix: str) -> "AsyncIterator[ObjectMeta]":
        listing = self.store.list(prefix, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType]
        while chunk := await asyncio.to_thread(next, listing, None):
            for item in chunk:
                yield item

    async def _objects(self) -> "list[_Object]":
        """Return what is stored in the universe, with ages by the clock of the store."""
        with _errors_of(self._url):
            await asyncio.to_thread(self.store.put, f"{self._area}/clock", b"")
            now = await self._time(f"{self._area}/clock")
            assert now
            found: list[_Object] = []
            async for item in self._list(f"{self._area}/"):
                kind, _, digest = item["path"].removeprefix(f"{self._area}/").partition("/")
                age = (now - item["last_modified"]).total_seconds()
                if kind in ("blobs", "aside") and is_digest(digest):
                    found.append(_Object(item["path"], kind, digest, max(0.0, age), item["size"]))
        return found


@dataclass(frozen=True)
class _Object:
    """A blob in `blobs` or `aside`."""

    key: str
    kind: str
    digest: str
    age_s: float
    size: int


def _ages(objects: Collection[_Object]) -> dict[str, float]:
    """Return the time since the last put, or since it was set aside, of each blob."""
    ages: dict[str, float] = {}
    for item in objects:
        ages[item.digest] = min(item.age_s, ages.get(item.digest, item.age_s))
    return ages


def _may_use_http(given: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Return whether the endpoint is on loopback, or the environment allows HTTP."""
    if environ.get("AWS_ALLOW_HTTP", "").lower() == "true":
        return True
    endpoints = [urlsplit(value) for name, value in given.items() if "ENDPOINT" in name]
    plain = [endpoint for endpoint in endpoints if endpoint.scheme == "http"]
    for endpoint in plain:
        if not _is_loopback(endpoint.hostname or ""):
            raise UsageError(
                f"the endpoint {endpoint.geturl()} of the store is not encrypted",
                hint="use https, or set AWS_ALLOW_HTTP=true in a network that you trust",
            )
    return bool(plain)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _errors_of(url: str) -> Generator[None]:
    """Translate the errors of obstore."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as cause:
        raise Refused(
            f"the store {url} denies access: {_first_line(cause)}",
            hint="check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the policy of the bucket",
        ) from cause
    except (BaseError, OSError) as cause:
        if "<Code>NoSuchBucket</Code>" in str(cause):
            hint = "create the bucket, then try again"
            raise Refused(f"no bucket at {url}", hint=hint) from cause
        raise StoreAway(f"the store {url} does not answer: {_first_line(cause)}") from cause


def _first_line(cause: BaseException) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:300]
