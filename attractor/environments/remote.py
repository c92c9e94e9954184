"""Files and commands at the other side of a program such as `docker exec` or `ssh`.

Every operation starts the program with a shell at the other side, which reads a script from its
stdin: so neither paths nor variables are on a command line, except for the command itself. The
shell ends both outputs with a mark, and with the result behind it. Without a mark the connection
was lost. A command runs as long as stdin is open: at a time limit, at a cancellation and at the end
of this process stdin is closed, and the shell kills the process group of the command.

Paths with `..`, absolute paths outside the working folder, and links that lead outside are refused.
The other side checks a link before it uses the target. A process there that replaces a folder by a
link in between wins, but it gains nothing: commands have the same rights as these file tools.

A shell does not tell a signal from an exit status above 128, so both become a negative exit code.
"""

import asyncio
import os
import re
import secrets
import shlex
import signal
import socket
import stat
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import fields
from pathlib import Path
from time import monotonic

from attractor import __environ__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ProcessNotStarted, UsageError
from attractor.base.processes import (
    STARTED,
    BoundedOutput,
    ExecResult,
    OnOutput,
    OutputLimit,
    signal_group,
)
from attractor.environments._search import matches, selects
from attractor.environments.confined_paths import ConfinedFolder
from attractor.environments.environment import (
    CommandWithBacklog,
    DirEntry,
    GrepOptions,
    GrepOutput,
    OutputBacklog,
    Promises,
    RunningCommand,
)
from attractor.environments.errors import (
    FileMissing,
    FileUnusable,
    InvalidPattern,
    NotSupported,
    NotText,
    PathOutside,
    PlaceRefused,
    RemoteLost,
)
from attractor.environments.files import (
    MAX_NAMES,
    MAX_READ,
    decode_text,
    encode_text,
    printable,
    select_lines,
)
from attractor.environments.orphan_processes import MARK
from attractor.environments.sandbox.environment import output_sink
from attractor.environments.sandbox.sockets import LOOPBACK, forwarded, listen
from attractor.environments.search import TIME_LIMIT_MS, Searcher

WORKSPACE = "/workspace"

_SCRIPT = Path(__file__).with_name("remote.sh")
_SHELL = ("sh", "-c", 'IFS= read -r script; eval "$(printf %b "$script")"')
_DEVNULL = asyncio.subprocess.DEVNULL
_PIPE = asyncio.subprocess.PIPE
_PIECE = 64 * 1024
_LONGEST_MARK = 200
_MOST_ERROR = 64 * 1024
_MOST_SAID = 64 << 20
ANSWER_S = 60.0
"""The time limit of an answer that needs no work: the first one, and the end of processes."""

# The other side kills a command after two seconds; the rest is for the connection.
_STOP_S = 10.0
_MAX_DEPTH = 200
_FILES = ("-mindepth", "1", "-name", ".git", "-prune", "-o", "-type", "f")
_GREP = {GrepOutput.CONTENT: "-n", GrepOutput.FILES: "-l", GrepOutput.COUNT: "-c"}
_FOUND = re.compile(r"^([0-9a-f]+) ([0-9]{1,15}) (.+?) \./(.*)$", re.MULTILINE)


class MarkedOutput:
    """One output of a script, up to the mark at the end."""

    def __init__(self, token: str, take: Callable[[bytes], object]) -> None:
        self._mark = re.compile(re.escape(f"\0{token} ".encode()) + rb"(\w+)\n")
        self._take = take
        self.last = b""

    async def read(self, stream: asyncio.StreamReader) -> str | None:
        """Pass the output on, and return the word of the mark, or None without a mark."""
        try:
            return await self._read(stream)
        except (AttractorError, asyncio.CancelledError):
            # Otherwise the full pipe of the killed program would stay open.
            self._rest = asyncio.create_task(_discard(stream))
            raise

    async def _read(self, stream: asyncio.StreamReader) -> str | None:
        held = b""
        while piece := await stream.read(_PIECE):
            self.last = piece
            held += piece
            if found := self._mark.search(held):
                self._take(held[: found.start()])
                return found[1].decode()
            # The last bytes may be the beginning of the mark.
            start = held.find(b"\0", max(0, len(held) - _LONGEST_MARK))
            sure = len(held) if start < 0 else start
            self._take(held[:sure])
            held = held[sure:]
        self._take(held)
        return None


class _Call:
    """A script that runs at the other side."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        stdin: bytes,
        out: MarkedOutput,
        err: MarkedOutput,
        target: str,
    ) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process = process
        self._stdin = process.stdin
        self._err = err
        self._target = target
        self._feeding = asyncio.create_task(self._feed(stdin))
        reads = out.read(process.stdout), err.read(process.stderr)
        self._reading = asyncio.create_task(_both(*reads))
        self.timed_out = False

    async def end(self, seconds: float | None = None) -> str:
        """Wait until the script ends, and stop it after `seconds`; return its last word."""
        try:
            done, _ = await asyncio.wait({self._reading}, timeout=seconds)
            if not done:
                self.timed_out = True
                await self.stop()
        except asyncio.CancelledError:
            await self.stop()
            raise
        finally:
            self._hang_up()
            await kill_process(self._process)
        if self._reading.cancelled():
            raise _silent(self._target)
        words = await self._reading
        if words[0] is None or words[1] is None:
            reason = " ".join(self._err.last.decode("utf-8", "replace").split())
            raise RemoteLost(f"the connection was lost: {reason or 'no reason was given'}")
        return words[0]

    async def stop(self, *, at_once: bool = False) -> None:
        """Let the other side kill the command, and wait until it is gone; then end the program."""
        if at_once:
            await self._feed(b"kill\n")
        else:
            self._hang_up()
        done, _ = await asyncio.wait({self._reading}, timeout=_STOP_S)
        if not done:
            await kill_process(self._process)
            # The connection of ssh holds the outputs of its killed program open.
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def _feed(self, stdin: bytes) -> None:
        with suppress(ConnectionError):
            self._stdin.write(stdin)
            await self._stdin.drain()

    def _hang_up(self) -> None:
        self._feeding.cancel()
        if not self._stdin.is_closing():
            self._stdin.transport.abort()


def not_connected() -> UsageError:
    """Return the error of a call before the first one or after the last one."""
    return UsageError(
        "the environment is not connected", hint="initialize() comes first, cleanup() last"
    )


def _silent(target: str) -> RemoteLost:
    """Return the error of a call that is not answered within its time limit."""
    return RemoteLost(
        f"{target} does not answer",
        hint="look at its load, and at the start-up files of its shell; then try again",
    )


async def await_connection(process: asyncio.subprocess.Process, target: str) -> bool:
    """Wait for the first output of a program; return False if it ended without any."""
    assert process.stdout
    try:
        async with asyncio.timeout(ANSWER_S):
            return bool(await process.stdout.read(1))
    except TimeoutError as cause:
        raise _silent(target) from cause


async def kill_process(process: asyncio.subprocess.Process) -> None:
    """Kill a program, and wait until it is gone."""
    if process.returncode is None:
        # Its own `kill` may take the exit status away from asyncio.
        signal_group(process.pid, signal.SIGKILL)
    # `wait` waits for the end of its outputs, too, which a connection of ssh may hold open.
    while process.returncode is None:
        await asyncio.sleep(0.002)


async def start_program(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdin: int = _PIPE,
    stdout: int = _PIPE,
    stderr: int = _PIPE,
) -> asyncio.subprocess.Process:
    """Start a program with these variables."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=environ, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
    except OSError as cause:
        raise ProcessNotStarted(f"cannot start {argv[0]}: {cause.strerror}") from cause
    STARTED.add(process.pid)
    return process


@dataclass(frozen=True)
class _Found:
    """A line of `stat`: mode and size as text, the time in an order of text, and the path."""

    mode: str
    size: str
    changed: str
    path: str

    @property
    def entry(self) -> DirEntry:
        """The entry of a folder."""
        mode = int(self.mode, 16)
        size = int(self.size) if stat.S_ISREG(mode) else None
        return DirEntry(self.path, stat.S_ISDIR(mode), size)


@dataclass(frozen=True)
class _Host:
    """The other side: its working folder, operating system and programs."""

    root: str
    platform: str
    os_version: str
    shell: str
    setsid: str
    ripgrep: str
    python: str


class RemoteExecutionEnvironment(ABC):
    """A folder at the other side of a program; a subclass knows the program.

    With `top`, the folder is made below this folder, without links. Environments with the same
    `mark` can end what an earlier one left.
    """

    def __init__(
        self,
        folder: str,
        *,
        environ: Mapping[str, str] | None,
        keep: OutputLimit | None,
        top: str = "",
        mark: str = "",
    ) -> None:
        self._folder = folder
        self._top = top
        self._environ = dict(__environ__() if environ is None else environ)
        self._keep = keep or OutputLimit()
        self._earlier = f"{MARK}={mark}"
        self._mark = f"{self._earlier}{secrets.token_hex(16)}"
        self._script = _SCRIPT.read_text("utf-8")
        self._known: _Host | None = None
        self._services: list[CommandWithBacklog] = []

    @property
    @abstractmethod
    def target(self) -> str:
        """The host or the container."""

    @abstractmethod
    def _argv(self, *command: str) -> Sequence[str]:
        """Return the program, with its arguments, that runs a command at the other side."""

    @abstractmethod
    def _relay(self, port: int) -> Sequence[str]:
        """Return the program that connects its stdin and stdout with a port of the other side."""

    @abstractmethod
    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward an address outside (`host:port`) to a port inside."""

    async def initialize(self) -> None:
        """Check the folder and the programs at the other side."""
        if self._known is None:
            words = ("describe", self._top)
            said = await self._do(
                "enter", self._folder, *words, root=self._folder, seconds=ANSWER_S
            )
            lines = said.decode("utf-8", "replace").splitlines()
            if len(lines) != len(fields(_Host)):
                raise PlaceRefused(
                    f"the other side answers {said[:80]!r}",
                    hint="its shell must print nothing by itself: look at its start-up files",
                )
            found = _Host(*lines)
            if not found.setsid:
                raise NotSupported(
                    "the other side has no program setsid", hint="install util-linux or busybox"
                )
            self._known = found

    async def cleanup(self) -> None:
        """Stop background services, and kill processes left over."""
        try:
            await self.end_processes()
        finally:
            self._known = None

    async def end_processes(self) -> None:
        """Stop background services, and kill processes left over, but stay connected."""
        services, self._services = self._services, []
        try:
            await asyncio.gather(*(service.stop() for service in services))
        finally:
            if self._known is not None:
                await self.call("kill_marked", self._mark, seconds=ANSWER_S)

    async def release(self) -> None:
        """Remove what `cleanup` keeps for later stages of a run."""
        await self.cleanup()

    @property
    def copy_id(self) -> str:
        """The name of the copy of the files, if a later one does not have them."""
        return ""

    async def end_earlier(self) -> None:
        """Kill the processes that environments with the same mark left over."""
        await self.call("kill_marked", self._earlier, seconds=ANSWER_S)

    async def call(
        self,
        *words: str,
        stdin: bytes = b"",
        take: Callable[[bytes], object] | None = None,
        seconds: float | None = None,
    ) -> bytes:
        """Call a function of the script for the folder, and return its output, or pass it on."""
        return await self._do("use", ".", *words, stdin=stdin, take=take, seconds=seconds)

    def working_directory(self) -> str:
        """Return the folder at the other side, without links."""
        return self._host.root

    def platform(self) -> str:
        """Return the name of the operating system at the other side."""
        return self._host.platform.lower()

    def os_version(self) -> str:
        """Return the release of the operating system at the other side."""
        return self._host.os_version

    def promises(self) -> Promises:
        """Return no guarantees."""
        return Promises()

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or some lines of the text."""
        data = await self.read_bytes(path, limit=MAX_READ + 1)
        if len(data) > MAX_READ:
            raise FileUnusable(
                f"{path} is larger than {MAX_READ} bytes",
                hint="read a part with a command, such as sed -n or tail",
            )
        return select_lines(decode_text(data, path), offset, limit)

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a file."""
        return await self._do("read", path, "read_file", self._below(path), str(limit))

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Write a file atomically, and create missing parent folders."""
        data = encode_text(content, path)
        source = self._below(permissions_of) if permissions_of else ""
        words = ("write_file", self._below(path), str(len(data)), source)
        await self._do("write", path, *words, stdin=data)

    async def delete_file(self, path: str) -> None:
        """Remove a file or a link, but not the target of a link."""
        await self._do("delete", path, "delete_file", self._below(path))

    async def file_exists(self, path: str) -> bool:
        """Return whether a path is a file or folder."""
        try:
            await self._do("look for", path, "require_there", self._below(path))
        except FileMissing:
            return False
        return True

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the entries of a folder, without following links."""
        if depth < 1:
            raise UsageError(
                f"invalid depth {depth}", hint="use 1 or more; 1 lists only the direct entries"
            )
        tests = ("-mindepth", "1", "-maxdepth", str(min(depth, _MAX_DEPTH)))
        found = await self._find("list", path, tests)
        return [file.entry for file in sorted(found, key=lambda file: file.path)]

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the regular files below a folder that match a pattern, the newest first."""
        if pattern.startswith("/"):
            pattern, path = self._below(pattern), "."
        base = self._below(path)
        found = sorted(await self._find("search", path, _FILES), key=lambda file: file.path)
        newest_first = sorted(found, key=lambda file: file.changed, reverse=True)
        return [_join(base, file.path) for file in newest_first if matches(pattern, file.path)]

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that matches.

        Without ripgrep the patterns are those of `grep -E`.
        """
        below = self._below(path)
        kind = await self._do("search", path, "require_there", below)
        if self._host.ripgrep:
            return await Searcher("", self._host.ripgrep).grep(
                pattern, below, options, self._search
            )
        files = [below]
        if kind:
            found = await self._find("search", path, _FILES)
            below_it = sorted(_join(below, file.path) for file in found)
            files = [name for name in below_it if not options.glob or selects(options.glob, name)]
        names = "".join(f"{name}\0" for name in files).encode()
        switches = [_GREP[options.output], *(["-i"] if options.ignore_case else [])]
        words = ("grep_files", str(len(names)), pattern, *switches)
        said = await self._do("search", path, *words, stdin=names)
        lines = said.decode("utf-8", "replace").split("\n")[:-1]
        return "".join(f"{line}\n" for line in lines[: options.max_results])

    async def exec_command(
        self,
        command: str,
        *,
        timeout_ms: int,
        working_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        """Run a shell command to its end or its time limit."""
        started = monotonic()
        out, err = BoundedOutput(self._keep), BoundedOutput(self._keep)
        folder = working_dir or "."
        call = await self._start(
            self._run(command, self._below(folder), env_vars, stdin),
            out=output_sink("stdout", out, on_output),
            err=output_sink("stderr", err, on_output),
            stdin=stdin,
        )
        word = await call.end(timeout_ms / 1000)
        if not word.isdigit():
            raise _failure(word, "enter", folder, b"")
        stdout, stderr = out.kept(), err.kept()
        return ExecResult(
            stdout=stdout.text,
            stderr=stderr.text,
            exit_code=_exit_code(word),
            timed_out=call.timed_out,
            duration_ms=round((monotonic() - started) * 1000),
            stdout_omitted=stdout.omitted,
            stderr_omitted=stderr.omitted,
        )

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Start a background command that ends with the environment at the latest."""
        backlog = OutputBacklog()
        words = self._run(command, ".", env_vars, merged=True)
        call = await self._start(words, out=backlog.add, err=backlog.add)
        watching = asyncio.create_task(_watch(call, backlog))

        async def end(at_once: bool) -> int:
            if not watching.done():
                await call.stop(at_once=at_once)
            return await asyncio.shield(watching)

        service = CommandWithBacklog(backlog, end)
        self._services.append(service)
        return service

    @asynccontextmanager
    async def reach(self, port: int) -> AsyncGenerator[str]:
        """Yield an address outside that forwards connections to a port inside."""
        relays: list[asyncio.subprocess.Process] = []

        async def connect() -> socket.socket:
            ours, theirs = socket.socketpair()
            with theirs:
                end = theirs.fileno()
                argv = self._relay(port)
                relays.append(await self._program(argv, stdin=end, stdout=end, stderr=_DEVNULL))
            ours.setblocking(False)
            return ours

        listener = listen(socket.socket(socket.AF_INET, socket.SOCK_STREAM), 0)
        try:
            async with forwarded(listener, connect):
                yield f"{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            await asyncio.gather(*map(kill_process, relays))

    @property
    def _host(self) -> _Host:
        if self._known is None:
            raise not_connected()
        return self._known

    def _below(self, path: str) -> str:
        names = (self._host.root, self._folder, WORKSPACE)
        return ConfinedFolder(Path(self._host.root), names).relative(path)

    def _run(
        self,
        command: str,
        folder: str,
        env_vars: Mapping[str, str] | None,
        stdin: bytes = b"",
        *,
        merged: bool = False,
    ) -> Sequence[str]:
        """Return the words of the script that run a command."""
        variables = [f"{name}={value}" for name, value in (env_vars or {}).items()]
        if any("\0" in word for word in (command, *variables)):
            raise ProcessNotStarted("a command contains a null character", hint="remove it")
        options = (folder, self._host.shell, "merged" if merged else "", str(len(stdin)))
        return ["run", *options, command, self._mark, *variables]

    async def _find(self, verb: str, path: str, tests: Sequence[str]) -> Sequence[_Found]:
        most = str(MAX_NAMES + 1)
        said = await self._do(verb, path, "find_files", self._below(path), most, *tests)
        found = [_Found(*fields) for fields in _FOUND.findall(printable(os.fsdecode(said)))]
        if len(found) > MAX_NAMES:
            raise FileUnusable(
                f"there are more than {MAX_NAMES} names below {path}",
                hint="choose a deeper folder",
            )
        return found

    async def _search(self, command: str) -> ExecResult:
        return await self.exec_command(command, timeout_ms=TIME_LIMIT_MS)

    async def _do(
        self,
        verb: str,
        path: str,
        *words: str,
        stdin: bytes = b"",
        root: str = "",
        take: Callable[[bytes], object] | None = None,
        seconds: float | None = None,
    ) -> bytes:
        """Call a function of the script for a path, and return its output, or pass it to `take`."""
        out, err = bytearray(), bytearray()

        def add(piece: bytes) -> None:
            out.extend(piece)
            if len(out) > _MOST_SAID:
                raise PlaceRefused(f"cannot {verb} {path}: the other side says too much")

        def add_error(piece: bytes) -> None:
            err.extend(piece)
            del err[:-_MOST_ERROR]

        call = await self._start(words, out=take or add, err=add_error, stdin=stdin, root=root)
        if (word := await call.end(seconds)) != "0":
            raise _failure(word, verb, path, err)
        return bytes(out)

    async def _start(
        self,
        words: Sequence[str],
        *,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        stdin: bytes = b"",
        root: str = "",
    ) -> _Call:
        """Start the script at the other side with a call of one of its functions."""
        token = secrets.token_hex(16)
        settings = f"token={token} root={shlex.quote(root or self._host.root)}"
        script = f"{settings}\n{self._script}\n{shlex.join(words)}"
        line = script.replace("\\", "\\\\").replace("\n", "\\n") + "\n"
        process = await self._program(self._argv(*_SHELL))
        return _Call(
            process,
            os.fsencode(line) + stdin,
            MarkedOutput(token, out),
            MarkedOutput(token, err),
            self.target,
        )

    async def _program(
        self,
        argv: Sequence[str],
        *,
        stdin: int = _PIPE,
        stdout: int = _PIPE,
        stderr: int = _PIPE,
    ) -> asyncio.subprocess.Process:
        return await start_program(argv, self._environ, stdin=stdin, stdout=stdout, stderr=stderr)


async def _both(
    out: Awaitable[str | None], err: Awaitable[str | None]
) -> tuple[str | None, str | None]:
    """Return both results; unlike `gather`, it is canceled when it is canceled."""
    return await asyncio.gather(out, err)


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(_PIECE):
        pass


async def _watch(call: _Call, backlog: OutputBacklog) -> int:
    try:
        return _exit_code(await call.end())
    except RemoteLost:
        return -signal.SIGKILL
    finally:
        backlog.end()


def _join(folder: str, path: str) -> str:
    return path if folder == "." else f"{folder}/{path}"


def _exit_code(word: str) -> int:
    """Return the exit status of a shell as an exit code; a signal is negative."""
    status = int(word) if word.isdigit() and len(word) < 4 else 255
    return 128 - status if 128 < status <= 128 + signal.SIGRTMAX else status


def _failure(word: str, verb: str, path: str, said: bytes | bytearray) -> AttractorError:
    reason = said.decode("utf-8", "replace").strip().rpartition(": ")[2]
    match word:
        case "missing":
            return FileMissing(f"cannot {verb} {path}: no such file or folder")
        case "outside":
            return PathOutside(f"{path} leads outside the working folder through a link")
        case "special":
            return NotText(f"{path} is a pipe, a socket or a device")
        case "folder":
            return FileUnusable(f"{path} is a folder", hint="name a file in it")
        case "no_folder":
            return FileUnusable(f"cannot {verb} {path}: it is not a folder")
        case "link":
            return FileUnusable(
                f"{path} leads through a link over there", hint="name its target as the root"
            )
        case "pattern":
            return InvalidPattern(f"invalid regular expression: {reason}")
        case _:
            return FileUnusable(f"cannot {verb} {path}: {reason}")
