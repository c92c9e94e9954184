"""Reads the tree of a candidate out of the environment of a trial."""

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attractor.growth.crew.app_tree import AppTree, read_app_tree
from attractor.growth.errors import InvalidApp
from attractor.scenarios.check import Observation

PATTERNS = ("spec/**/*", "app/**/*")
MOST_BYTES = 1 << 20


@asynccontextmanager
async def candidate_tree(observed: Observation) -> AsyncGenerator[AppTree]:
    """Yield the tree of the candidate, copied to a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="attractor-candidate-") as folder:
        await copy_files(observed, PATTERNS, Path(folder))
        yield read_app_tree(Path(folder))


async def copy_files(observed: Observation, patterns: Sequence[str], folder: Path) -> None:
    """Copy files of the candidate into a folder, or raise InvalidApp for one that is too large."""
    environment = observed.environment
    for pattern in patterns:
        for path in await environment.glob(pattern):
            if "__pycache__" not in path:
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                content = await environment.read_bytes(path, limit=MOST_BYTES + 1)
                if len(content) > MOST_BYTES:
                    raise InvalidApp(f"{path}: too large for a check (limit: {MOST_BYTES} bytes)")
                file.write_bytes(content)
