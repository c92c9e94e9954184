"""What stands outside while an environment is tried: a process, and sockets that listen."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.environments.intake import Intake

# A busy machine may take its time to run a process to its end, and to tell us.
PATIENCE_S = 10.0

_LOOPBACK = "127.0.0.1"
_CONNECT_S = 2.0
_WAIT = "import os, sys; os.write(1, b'.'); sys.stdin.read()"


@dataclass
class Bystander:
    """A process that must be neither seen nor ended; it ends well when its input does."""

    process: asyncio.subprocess.Process
    marker: str
    holds: int

    @property
    def pid(self) -> int:
        """Its number outside."""
        return self.process.pid

    async def lived_on(self, *, patience: float = PATIENCE_S) -> bool:
        """Let it end, and tell whether it lived to do so by itself."""
        self.release()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                return await self.process.wait() == 0
        return False

    def require_shown(self) -> None:
        """See it as somebody would who may."""
        if self.marker.encode() not in Path(f"/proc/{self.pid}/cmdline").read_bytes():
            raise ProcessLookupError("the bystander does not show in /proc")

    async def end(self) -> None:
        """End it, should it not have ended."""
        self.release()
        # It may have been stopped, and would never end by itself.
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def release(self) -> None:
        """Let it end; harmless when repeated."""
        if self.holds >= 0:
            os.close(self.holds)
            self.holds = -1


@dataclass(frozen=True)
class Listeners:
    """A port of the loopback and an abstract socket on which somebody listens."""

    port: int
    abstract: str

    def answer(self) -> bool:
        """Tell whether both can be reached from outside."""
        places = [(socket.AF_INET, (_LOOPBACK, self.port)), (socket.AF_UNIX, "\0" + self.abstract)]
        try:
            for family, address in places:
                with socket.socket(family, socket.SOCK_STREAM) as made:
                    made.settimeout(_CONNECT_S)
                    made.connect(address)
        except OSError:
            return False
        return True


@asynccontextmanager
async def standing_by() -> AsyncGenerator[Bystander]:
    """Run a bystander that shows to all who may look."""
    runs = asyncio.Event()
    said = Intake(lambda piece: runs.set())
    try:
        bystander = await _started(said.writer)
        said.close_writer()
        try:
            # Before it runs it has no command line.
            async with asyncio.timeout(PATIENCE_S):
                await runs.wait()
            bystander.require_shown()
            yield bystander
        finally:
            await bystander.end()
    finally:
        said.close()


async def _started(out: int) -> Bystander:
    marker = secrets.token_hex(16)
    waits, holds = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _WAIT, marker), stdin=waits, stdout=out
        )
    except BaseException:
        os.close(holds)
        raise
    finally:
        os.close(waits)
    return Bystander(process, marker, holds)


@contextmanager
def listening() -> Generator[Listeners]:
    """Listen on a port of the loopback and on an abstract socket."""
    abstract = secrets.token_hex(16)
    with (
        socket.create_server((_LOOPBACK, 0)) as port,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind("\0" + abstract)
        unix.listen()
        yield Listeners(port.getsockname()[1], abstract)
