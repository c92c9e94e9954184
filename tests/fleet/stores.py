"""The stores of the contract of blobs: in memory, in a folder and in a bucket."""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import boto3  # pyright: ignore[reportMissingTypeStubs]

from attractor.fleet.fleet import open_blobs
from attractor.fleet.seams import Blobs
from tests.fleet.memory_blobs import MemoryBlobs

OLD_S = 1.0
"""A blob is older after `age`."""


class Store(Protocol):
    """A store that a test opens, ages and damages."""

    async def open(self, universe: str = "home") -> Blobs: ...

    async def age(self) -> None: ...

    def write(self, key: str, content: bytes) -> None: ...

    def blob_key(self, digest: str) -> str: ...


class FolderStore:
    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, str(folder)

    async def open(self, universe: str = "home") -> Blobs:
        return await open_blobs(self.url, {}, universe=universe)

    async def age(self) -> None:
        for path in self.folder.rglob("*"):
            os.utime(path, (time.time() - 10, time.time() - 10))

    def write(self, key: str, content: bytes) -> None:
        (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / key).write_bytes(content)

    def blob_key(self, digest: str) -> str:
        return f"universes/home/{digest[:2]}/{digest[2:4]}/{digest}"


class BucketStore:
    def __init__(self, environ: Mapping[str, str], bucket: str) -> None:
        self.environ, self.bucket, self.url = environ, bucket, f"s3://{bucket}/some/prefix"
        connect: Any = vars(boto3)["client"]  # without types
        self.client: Any = connect(
            "s3",
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id="fleet",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=bucket)

    async def open(self, universe: str = "home") -> Blobs:
        return await open_blobs(self.url, self.environ, universe=universe)

    async def age(self) -> None:
        # The store stamps whole seconds.
        await asyncio.sleep(2 * OLD_S + 0.1)

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"some/prefix/{key}", Body=content)

    def blob_key(self, digest: str) -> str:
        return f"universes/home/blobs/{digest}"


class MemoryStore:
    def __init__(self) -> None:
        self.now = 0.0
        self.blobs = MemoryBlobs(lambda: self.now)

    async def open(self, universe: str = "home") -> Blobs:
        return self.blobs

    async def age(self) -> None:
        self.now += 10

    def write(self, key: str, content: bytes) -> None:
        self.blobs.contents[key] = content

    def blob_key(self, digest: str) -> str:
        return digest
