"""Shows a command of an environment in the terminal of a person.

The command has a terminal of its own inside, and only bytes are copied: nothing inside gets the
person's terminal, so that nothing can type there.
"""

import asyncio
import os
import secrets
import select
import shlex
import signal
import struct
import termios
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import FrameType

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.selection import find_interpreter

_PROGRAM = Path(__file__).parent / "_terminal.py"
_LOOPBACK = "127.0.0.1"
LEAVE = "/exit"
"""The text with which a person leaves a conversation."""

_PIECE = 1 << 16
_ENDING = (signal.SIGHUP, signal.SIGTERM)
# A killed program leaves them: another screen, a hidden cursor, reports of mouse, focus and keys.
_LEAVE_MODES = b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[0m"
_RUN = 'for python in %s python3; do command -v "$python" > /dev/null && exec "$python" -I -c '

_Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class PersonTerminal:
    """The terminal of a person, by its file descriptors for keys and for the screen.

    `catch_up` waits until all events so far are on the screen.
    """

    keys: int
    screen: int
    catch_up: Callable[[], Awaitable[None]]

    async def show(
        self,
        environment: ExecutionEnvironment,
        command: str,
        *,
        timeout_ms: int,
        env_vars: Mapping[str, str],
    ) -> ExecResult:
        """Run a command in the terminal until it ends; a closed window ends it.

        After a closed window, this process goes on, so that it can keep what the command left.
        """
        token, copying = secrets.token_hex(16), set[asyncio.Task[None]]()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if copying or await reader.read(len(token)) != token.encode():
                writer.close()
                return
            copying.add(asyncio.create_task(self._copy(reader, writer)))

        async with _serving(environment, accept) as port:
            words = [str(port), token, command]
            program = f"{shlex.quote(_PROGRAM.read_text('utf-8'))} {shlex.join(words)}; done"
            start = _RUN % shlex.quote(find_interpreter().program)
            try:
                return await environment.exec_command(
                    f"{start}{program}; echo 'no python3 for a terminal' >&2; exit 127",
                    timeout_ms=timeout_ms,
                    env_vars=env_vars,
                )
            finally:
                for task in copying:
                    task.cancel()
                await asyncio.gather(*copying, return_exceptions=True)

    def say(self, words: str) -> None:
        """Print a sentence before the command has the screen."""
        self._print(f"{words}\n".encode())

    @contextmanager
    def typing(self, interrupt: Callable[[], None]) -> Generator[Callable[[], Awaitable[str]]]:
        """Yield a function that returns the next text of the person; "" when the person leaves.

        Ctrl-C calls `interrupt`, and so does a closed window. Pasted lines are one text.
        """
        loop, texts = asyncio.get_running_loop(), asyncio.Queue[bytes]()

        def read() -> None:
            loop.remove_reader(self.keys)
            lines = [self._read()]
            while lines[-1] and select.select([self.keys], [], [], 0)[0]:
                lines.append(self._read())
            if len(lines) > 1 and not lines[-1]:
                # Ctrl-D after a line.
                texts.put_nowait(b"".join(lines))
                lines.clear()
            texts.put_nowait(b"".join(lines))

        def close() -> None:
            interrupt()
            texts.put_nowait(b"")

        async def next_text() -> str:
            text = ""
            while not text:
                await self.catch_up()
                self._print(b"> ")
                loop.add_reader(self.keys, read)
                if not (typed := await texts.get()):
                    return ""
                text = typed.decode("utf-8", "replace").strip()
            return "" if text == LEAVE else text

        before = signal.getsignal(signal.SIGINT)
        with _on_signals(do_nothing, close):
            loop.add_signal_handler(signal.SIGINT, interrupt)
            try:
                yield next_text
            finally:
                loop.remove_reader(self.keys)
                loop.remove_signal_handler(signal.SIGINT)
                signal.signal(signal.SIGINT, before)

    def _read(self) -> bytes:
        with suppress(OSError):
            return os.read(self.keys, _PIECE)
        return b""

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy keys and window sizes to the command, and its output to the screen."""
        loop = asyncio.get_running_loop()

        def send(kind: bytes, content: bytes) -> None:
            writer.write(struct.pack(">cI", kind, len(content)) + content)

        def resize() -> None:
            with suppress(OSError):
                size = os.get_terminal_size(self.screen)
                # Some programs draw nothing in a terminal without a size.
                send(b"w", struct.pack(">HH", size.lines or 24, size.columns or 80))

        def close() -> None:
            loop.remove_reader(self.keys)
            writer.close()

        def type_() -> None:
            content = self._read()
            send(b"d", content) if content else close()

        resize()
        with self._raw(), _on_signals(resize, close):
            loop.add_reader(self.keys, type_)
            try:
                while piece := await reader.read(_PIECE):
                    # A thread: a slow connection to the person must not stop the model proxy.
                    await asyncio.to_thread(self._print, piece)
            except ConnectionError:
                pass
            finally:
                close()
                self._print(_LEAVE_MODES)

    def _print(self, piece: bytes) -> None:
        with suppress(OSError):
            while piece:
                piece = piece[os.write(self.screen, piece) :]

    @contextmanager
    def _raw(self) -> Generator[None]:
        """Let each key reach the command, also Ctrl-C."""
        # Imported here: it cannot be imported on systems without terminals.
        import tty

        before = termios.tcgetattr(self.keys)
        tty.setraw(self.keys)
        try:
            yield
        finally:
            with suppress(termios.error):
                termios.tcsetattr(self.keys, termios.TCSADRAIN, before)


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


@contextmanager
def _on_signals(resize: Callable[[], None], close: Callable[[], None]) -> Generator[None]:
    """Call functions on signals; after that, no signal ends this process."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, resize)
    for number in _ENDING:
        loop.add_signal_handler(number, close)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        for number in _ENDING:
            loop.remove_signal_handler(number)
            # The files of the command are kept now. A process that starts later inherits no
            # function.
            signal.signal(number, _ignore)


@asynccontextmanager
async def _serving(environment: ExecutionEnvironment, accept: _Accept) -> AsyncGenerator[int]:
    async with await asyncio.start_server(accept, _LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with environment.offer(port, f"{_LOOPBACK}:{port}"):
            yield port
