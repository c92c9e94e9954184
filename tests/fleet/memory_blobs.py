"""A store of blobs for tests."""

import time
from collections.abc import AsyncIterator, Callable, Collection

from attractor.base.json import content_hash
from attractor.fleet.store.blobs import checked, missing


class MemoryBlobs:
    """Blobs of one process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.contents: dict[str, bytes] = {}
        self._times: dict[str, float] = {}

    async def put(self, content: bytes) -> str:
        """Store a content."""
        digest = content_hash(content)
        self.contents.setdefault(digest, content)
        self._times[digest] = self._now()
        return digest

    async def get(self, digest: str) -> bytes:
        """Return a content."""
        if digest not in self.contents:
            raise missing(digest, "memory")
        return checked(digest, self.contents[digest], "memory")

    async def digests(self) -> AsyncIterator[tuple[str, float]]:
        """Yield hashes and ages."""
        for digest, put_at in list(self._times.items()):
            yield digest, self._now() - put_at

    async def size(self) -> int:
        """Return the number of bytes."""
        return sum(map(len, self.contents.values()))

    async def remove(self, digests: Collection[str], older_s: float) -> None:
        """Remove old blobs."""
        for digest in digests:
            if digest in self._times and self._now() - self._times[digest] > older_s:
                del self._times[digest], self.contents[digest]
