"""A short test of the sandbox of snippets: what must work, and what must be refused."""

import importlib.util
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.snippets.execution import SnippetSandboxes
from attractor.snippets.snippet import ExtendedExecution, Snippet

_CONNECT = """
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 2)
    print("open")
except OSError:
    print("closed")
"""

_OUTSIDE = """
from pathlib import Path
for attempt in (Path({file!r}).read_text, Path({file!r}).unlink):
    try:
        attempt()
        print("done")
    except OSError:
        pass
print("end", flush=True)
"""

_PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 4, 9]); plt.show()"


@dataclass(frozen=True)
class SmokeCheck:
    """One checked promise: whether it holds, or the reason why it was not checked."""

    name: str
    holds: bool
    skipped: str = ""


async def smoke(sandboxes: SnippetSandboxes) -> AsyncIterator[SmokeCheck]:
    """Yield each check as soon as it is done."""
    prints = await _execute(sandboxes, "print('hello from eval')")
    yield SmokeCheck("python prints", prints.ok and prints.stdout == "hello from eval\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        connects = await _execute(sandboxes, _CONNECT.format(port=listener.getsockname()[1]))
    yield SmokeCheck("the network is closed", connects.stdout == "closed\n")

    with tempfile.NamedTemporaryFile() as file:
        escapes = await _execute(sandboxes, _OUTSIDE.format(file=file.name))
        is_there = Path(file.name).exists()
    yield SmokeCheck("files outside are out of reach", escapes.stdout == "end\n" and is_there)

    sleeps = await _execute(sandboxes, "import time; time.sleep(60)", timeout=0.5)
    yield SmokeCheck("the time limit ends a snippet", sleeps.timed_out)

    name = "a figure becomes a chart"
    if importlib.util.find_spec("matplotlib") is None:
        yield SmokeCheck(name, True, skipped="matplotlib is not installed")
        return
    plots = await _execute(sandboxes, _PLOT, timeout=60)
    yield SmokeCheck(name, [one.type for one in plots.artifacts.charts] == ["line"])


async def _execute(
    sandboxes: SnippetSandboxes, code: str, *, timeout: float = 10
) -> ExtendedExecution:
    return await sandboxes.execute(Snippet(code=code, timeout=timeout))
