"""As many streams at once as a process may have descriptors: all end, and memory is flat."""

import asyncio
import gc
import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from attractor.llm import AdapterTimeout, Client, Message, Request, StreamEventType
from tests.counts import count

MOST = count(ci=16, full=1000)
WAVES = 4
# Descriptors for other purposes; a stream uses one at each end.
SPARE = 100
A_WAVE_MB = 4
WORDS = " ".join(f"word{number}" for number in range(60))
SCRIPT = f"""
[[rules]]
answer = {{ text = "{WORDS}", pace = "5ms" }}
"""
MODELS = {
    "openai": "gpt-5.2",
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-3-flash-preview",
    "openai_compatible": "any",
}


def at_once() -> int:
    """Raise the limit of descriptors to its maximum, and report if that is not enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + SPARE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    usable = min(MOST, wanted - SPARE)
    if usable < MOST:
        warnings.warn(f"{usable} streams at once: the limit of descriptors is {hard}", stacklevel=2)
    return usable


@contextmanager
def twin(folder: Path) -> Generator[Mapping[str, str]]:
    """Let a twin answer in a process of its own: only the client is measured."""
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    program = str(Path(sys.executable).parent / "attractor")
    command = [program, "twin", "llm", "--script", str(script), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            output = "".join(iter(process.stdout.readline, "}\n")) + "}"
            yield json.loads(output)["environ"]
        finally:
            process.terminate()


async def listen(client: Client, number: int) -> bool:
    provider = list(MODELS)[number % len(MODELS)]
    said = [Message.user(f"Tell me, {number}.")]
    pieces: list[str] = []
    async for event in client.stream(Request(MODELS[provider], said, provider=provider)):
        if event.type == StreamEventType.TEXT_DELTA:
            pieces.append(event.delta or "")
    return "".join(pieces) == WORDS


def memory_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def test_many_streams_at_once_end_with_flat_memory(tmp_path: Path) -> None:
    streams = at_once()

    async def waves(client: Client) -> list[float]:
        sizes: list[float] = []
        for _ in range(WAVES):
            heard = await asyncio.gather(*(listen(client, one) for one in range(streams)))
            assert heard == [True] * streams
            sizes.append(memory_mb())
        return sizes

    async def main(environ: Mapping[str, str]) -> list[float]:
        patient = AdapterTimeout(connect=60, request=60, stream_read=60)
        async with Client.from_env(environ, timeout=patient) as client:
            return await waves(client)

    with twin(tmp_path) as environ:
        first, *later = asyncio.run(main(environ))
    # The first wave allocates the memory; afterwards ended streams keep nothing.
    assert max(later) - first < A_WAVE_MB
