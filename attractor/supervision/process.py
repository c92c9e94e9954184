"""Processes that stay: each outlives the command that started it, and is found again after a kill.

A process has a kind and a folder with three files: `KIND.lock`, `KIND.json` (its note) and
`KIND.log` (its output). The lock is handed to the process, which can hand it to its children: it is
held until the last of them ends. The note has a mark that is also in the variables of all of them.
The mark finds them, not an id: after a reboot, the id belongs to a stranger.
"""

import fcntl
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from io import FileIO
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import LockHeld, ProcessNotStarted, Unavailable, UsageError
from attractor.base.files import (
    file_error,
    is_running,
    make_private_folder,
    read_regular,
    sync_folder,
    write_whole,
)
from attractor.base.json import canonical_json, parse_object
from attractor.base.locks import open_to_lock, try_lock
from attractor.base.processes import STARTED, signal_group
from attractor.base.records import read_record, write_record
from attractor.environments.orphan_processes import (
    POLL_S,
    ProcessHunt,
    can_find_orphans,
    find_process,
    signal_process,
    variable_of_all,
)

MARK = "KEPT_BY_ATTRACTOR"
"""Unlike the mark of a run's commands: a process that stays is the operator's."""
LOCK = "LOCK_OF_ATTRACTOR"
"""The variable with the file descriptor of the lock."""

_GRACE_S = 10.0
# For children whose process was killed.
_LEFT_GRACE_S = 5.0
_KILL_S = 5.0


class ProcessStatus(StrEnum):
    """The status of a process that stays, read from its lock and its note."""

    NONE = "none"
    """It was never started, or a person stopped it."""
    RUNNING = "running"
    LEFT = "left"
    """The process is gone, and its children hold the lock."""
    GONE = "gone"
    """It was up when it, or the machine, went down: no person stopped it."""


@dataclass(frozen=True)
class _Note:
    """The process that holds the lock: at first its starter, then the process with the mark."""

    mark: str
    pid: int
    started: str

    @property
    def is_led(self) -> bool:
        process = find_process(self.pid)
        if process is None:
            return not can_find_orphans() and is_running(self.pid)
        return process.started == self.started

    def terminate(self) -> None:
        """Let the process end, which ends its children; if it is gone, let its children end."""
        if not can_find_orphans():
            signal_group(self.pid, signal.SIGTERM)
            return
        marked = [number for number, marks in variable_of_all(MARK) if self.mark in marks]
        for number in [self.pid] if self.pid in marked else marked:
            if process := find_process(number):
                signal_process(process, signal.SIGTERM)

    def kill(self) -> None:
        """End the process, its descendants, and all processes of their sessions."""
        hunt = ProcessHunt(lambda carried: carried == self.mark, variable=MARK)
        for _ in hunt.rounds():
            time.sleep(POLL_S)


def begin_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    log: Path,
    pass_fds: Sequence[int] = (),
    has_input: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, in its own session; a log gets its output.

    With `has_input`, the caller writes its standard input. If the program cannot be started, this
    raises ProcessNotStarted.
    """
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=environ,
                stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                start_new_session=True,
            )
    except OSError as cause:
        raise ProcessNotStarted(
            f"cannot start {argv[0]} in {cwd}: {cause.strerror}",
            hint="look whether the program exists and memory is free",
        ) from cause
    STARTED.add(process.pid)
    # Otherwise it would stay in the process table after its end.
    threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()
    return process


@dataclass(frozen=True)
class StayingProcess:
    """A process that stays, of a kind such as `app`, in its folder."""

    kind: str
    folder: Path

    @property
    def lock(self) -> Path:
        """The lock that the process and its children hold."""
        return self.folder / f"{self.kind}.lock"

    @property
    def log(self) -> Path:
        """The output of the process."""
        return self.folder / f"{self.kind}.log"

    @property
    def last_sign(self) -> datetime:
        """When the process was started, or printed something last."""
        times = [file.stat().st_mtime for file in (self._note, self.log) if file.exists()]
        return datetime.fromtimestamp(max(times, default=0), UTC)

    @property
    def mark(self) -> str:
        """The mark of the last start, or "" without one."""
        note = self._read()
        return note.mark if note else ""

    @property
    def status(self) -> ProcessStatus:
        """The status at this moment."""
        note = self._read()
        if not self._is_locked():
            # A damaged note is no stop of a person.
            return ProcessStatus.GONE if self._note.exists() else ProcessStatus.NONE
        return ProcessStatus.LEFT if note and not note.is_led else ProcessStatus.RUNNING

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environ: Mapping[str, str],
        stdin: bytes = b"",
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the process in its own session unless it runs; first end what a killed one left.

        It holds its lock when this returns, and has the passed file descriptors. If the program
        cannot be started, this raises ProcessNotStarted.
        """
        make_private_folder(self.folder)
        with self._opened() as lock:
            if not self._take(lock, _GRACE_S):
                return
            mark = self._mark_anew()
            variables = {**environ, MARK: mark, LOCK: str(lock.fileno())}
            process = begin_process(
                argv,
                cwd=cwd,
                environ=variables,
                log=self.log,
                pass_fds=[lock.fileno(), *pass_fds],
                has_input=bool(stdin),
            )
            self._write(_Note(mark, *_identity(process.pid)))
        if process.stdin:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin)

    @contextmanager
    def ended(self, *, grace: float = _GRACE_S, kills: bool = True) -> Generator[None]:
        """End the process and what it left, and keep it from starting during the block.

        It gets SIGTERM, and ends its children itself. After `grace` seconds, all of them are
        killed; with `kills=False`, only children that were left are, and a process that still works
        raises LockHeld.
        """
        make_private_folder(self.folder)
        with self._opened() as lock:
            self._take(lock, grace, ends=True, kills=kills)
            if self._note.exists():
                # Until the end of the block, this process holds the lock.
                self._mark_anew()
            yield

    def forget(self) -> None:
        """Remove the note of an ended process: nothing starts it again by itself."""
        self._note.unlink(missing_ok=True)
        # Otherwise a power failure may bring it back.
        sync_folder(self.folder)

    def _take(self, lock: FileIO, grace: float, *, ends: bool = False, kills: bool = False) -> bool:
        """Take the lock, ending its holders; without `ends`, return False if the process runs."""
        until = time.monotonic() + grace
        asked: tuple[_Note, bool] | None = None
        while not try_lock(lock):
            # Without a note, another process looks at the lock, or starts this one first.
            note = self._read()
            is_left = note is not None and not note.is_led
            if note and not is_left and not ends:
                return False
            if note and (note, is_left) != asked:
                asked = note, is_left
                note.terminate()
                until = time.monotonic() + (_LEFT_GRACE_S if is_left else grace)
            elif time.monotonic() > until:
                if note is None or not (is_left or kills):
                    raise LockHeld(
                        f"the {self.kind} in {self.folder} does not end",
                        hint=f"try it again after its work; {self.lock} is locked until then",
                    )
                note.kill()
                if time.monotonic() > until + _KILL_S:
                    raise Unavailable(
                        f"{self.lock} is still locked", hint=f"look: lslocks | grep {self.lock}"
                    )
            time.sleep(POLL_S)
        return True

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.kind}.json"

    def _read(self) -> _Note | None:
        """Return the note; None if there is none, or if a crash of the machine damaged it."""
        with suppress(OSError, UsageError):
            return read_record(_Note, parse_object(read_regular(self._note)) or {})
        return None

    def _write(self, note: _Note) -> None:
        write_whole(self._note, canonical_json(write_record(note)), mode=0o600)

    def _mark_anew(self) -> str:
        """Note this process as the holder of the lock, with a new mark."""
        mark = f"{self.kind}.{secrets.token_hex(16)}"
        self._write(_Note(mark, *_identity(os.getpid())))
        return mark

    def _opened(self) -> FileIO:
        try:
            return open_to_lock(self.lock)
        except OSError as cause:
            raise file_error("lock", self.lock, cause) from cause

    def _is_locked(self) -> bool:
        if not self.lock.exists():
            return False
        with self._opened() as lock:
            try:
                # Shared: two callers do not take each other for a holder.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


def held_lock(environ: Mapping[str, str]) -> Sequence[int]:
    """Return the file descriptor by which a process that stays hands its lock to a child."""
    return [int(environ[LOCK])] if LOCK in environ else []


def carried_mark(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the mark of a process that stays, for a child with chosen variables."""
    return {MARK: environ[MARK]} if MARK in environ else {}


def _identity(pid: int) -> tuple[int, str]:
    process = find_process(pid)
    return pid, process.started if process else ""
