"""Working directories for agents, and `finish`, which runs a coroutine with a time limit."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attractor.environments.local import LocalExecutionEnvironment

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T], *, within_s: float = 60) -> T:
    return asyncio.run(asyncio.wait_for(work, within_s))


def local(folder: Path) -> LocalExecutionEnvironment:
    return LocalExecutionEnvironment(folder, environ={"PATH": os.environ["PATH"]})


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_bytes(text.encode())
