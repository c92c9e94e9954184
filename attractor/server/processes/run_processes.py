"""Starts commands that walk runs, each as a process of its own that outlives the server.

A process has a session of its own, and no pipe that could block it: its progress goes to a log
file, and the server reads only the first line of its output, which names the run or the error.
"""

import io
import os
import selectors
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryFile
from typing import IO

from attractor.base.dataclasses import dataclass
from attractor.base.errors import (
    AttractorError,
    ExitCode,
    MachineryError,
    NoGo,
    ProcessNotStarted,
    Refused,
    UsageError,
    VerificationError,
)
from attractor.base.files import file_error, make_private_folder
from attractor.base.json import JsonObject, parse_object
from attractor.base.locks import take_slot
from attractor.config.user_folders import OPERATOR_VARIABLE, without_token
from attractor.engine.storage.json_files import Fields
from attractor.server.errors import CommandFailed, TooManyProcesses

PROGRAM = (sys.executable, "-P", "-m", "attractor")
"""The program of this process; `-P` ignores modules in the project's folder."""

PATIENCE_S = 300.0
"""The maximum time until a process names its run, such as during the copy of a large project."""

LOG_DAYS = 14
"""The age at which the log of a process is removed."""


@dataclass(frozen=True)
class RunCommand:
    """A command that walks a run, and prints events as JSON lines.

    `files` are contents by the option before the name of their file: inputs may be secret, so they
    are not in the list of processes.
    """

    name: str
    arguments: Sequence[str] = ()
    options: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    stdin: str = ""

    def words(self, places: Mapping[str, str]) -> list[str]:
        """Return the words of the command, with the places of its files."""
        named = [f"{option}{places[option]}" for option in self.files]
        return [*self.name.split(), "--json", *self.options, *named, "--", *self.arguments]


@dataclass(frozen=True)
class RunProcesses:
    """Starts commands in the folder of a project, at most `most` at once.

    A process holds a slot until it ends. A slot is a locked file that the process inherits, so that
    a new server counts the processes of an earlier one.
    """

    folder: Path
    project: Path
    environ: Mapping[str, str]
    most: int
    program: Sequence[str] = PROGRAM

    def start(self, command: RunCommand, *, by: str) -> str:
        """Start a command in the name of a person; return the id of the run that it walks."""
        make_private_folder(self.folder)
        with ExitStack() as stack:
            slot = stack.enter_context(self._take_slot())
            log = stack.enter_context(self._create_log())
            process = self._begin(command, by, slot, log, stack)
        # Otherwise the process would stay in the process table after its end.
        reaper = threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True)
        reaper.start()
        assert process.stdout
        with process.stdout as output:
            # After this line the pipe is closed: the process then drops its output.
            line = _first_line(output, PATIENCE_S)
        return self._read(line, Path(log.name))

    def complete(self, command: RunCommand, *, by: str) -> JsonObject:
        """Start a command in the name of a person; return the last record that it prints."""
        make_private_folder(self.folder)
        with ExitStack() as stack:
            slot = stack.enter_context(self._take_slot())
            log = stack.enter_context(self._create_log())
            process = self._begin(command, by, slot, log, stack)
            last = b""
            with process:
                assert process.stdout
                for line in process.stdout:
                    last = line
        record = parse_object(last) or {}
        if isinstance(error := record.get("error"), dict):
            raise error_of(error)
        if not record:
            hint = f"look at its log {log.name}"
            raise CommandFailed("the process ended without a result", hint=hint)
        Path(log.name).unlink()
        return record

    def remove_old_logs(self, now: float) -> None:
        """Remove old logs."""
        for path in self.folder.glob("*.log"):
            if now - path.stat().st_mtime > LOG_DAYS * 86_400:
                path.unlink(missing_ok=True)

    def _begin(
        self,
        command: RunCommand,
        by: str,
        slot: io.FileIO,
        log: IO[bytes],
        stack: ExitStack,
    ) -> Popen[bytes]:
        files = {option: stack.enter_context(_file(text)) for option, text in command.files.items()}
        places = {option: f"/dev/fd/{one.fileno()}" for option, one in files.items()}
        stdin = stack.enter_context(_file(command.stdin)) if command.stdin else DEVNULL
        try:
            return Popen(
                [*self.program, *command.words(places)],
                cwd=self.project,
                env={**without_token(self.environ), OPERATOR_VARIABLE: by},
                stdin=stdin,
                stdout=PIPE,
                stderr=log,
                pass_fds=[slot.fileno(), *(file.fileno() for file in files.values())],
                start_new_session=True,
            )
        except OSError as cause:
            raise ProcessNotStarted(
                f"cannot start {command.name}: {cause.strerror}",
                hint="shorten the goal and the other texts, or free memory and processes",
            ) from cause

    def _take_slot(self) -> io.FileIO:
        """Return a file whose lock lasts until this process and the started one have closed it."""
        if slot := take_slot(self.folder, self.most):
            return slot
        raise TooManyProcesses(f"the limit of processes is reached: {self.most}")

    def _create_log(self) -> IO[bytes]:
        file = self.folder / f"{time.time_ns()}-{os.urandom(4).hex()}.log"
        try:
            log = file.open("xb")
            file.chmod(0o600)
            return log
        except OSError as cause:
            raise file_error("write", file, cause) from cause

    def _read(self, line: bytes | None, log: Path) -> str:
        """Return the run that the first line of a process names, or raise the error in it."""
        if line is None:
            raise ProcessNotStarted(
                f"the process has not created its run for {PATIENCE_S:.0f} seconds; it continues",
                hint=f"look at its log {log}, and at the list of runs",
            )
        record = parse_object(line) or {}
        run_id = record.get("run_id")
        if isinstance(run_id, str):
            log.rename(log.with_name(f"{run_id}-{log.name}"))
            return run_id
        error = record.get("error")
        if isinstance(error, dict):
            log.unlink()
            raise error_of(error)
        raise CommandFailed("the process ended without a result", hint=f"look at its log {log}")


def _file(text: str) -> IO[bytes]:
    """Return an open file with a text, which no folder contains."""
    file = TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(text.encode())
    file.seek(0)
    return file


def _first_line(output: IO[bytes], patience_s: float) -> bytes | None:
    """Return the first line of an output, also an incomplete one at its end; None if it is late."""
    line, until = b"", time.monotonic() + patience_s
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while b"\n" not in line:
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            piece = os.read(output.fileno(), 65536)
            if not piece:
                break
            line += piece
    return line.partition(b"\n")[0]


_BY_EXIT_CODE: Mapping[int, type[AttractorError]] = {
    ExitCode.USAGE: UsageError,
    ExitCode.UNFINISHED: MachineryError,
    ExitCode.REFUSED: Refused,
    ExitCode.NO_GO: NoGo,
    ExitCode.BROKEN: VerificationError,
}


def error_of(record: JsonObject) -> AttractorError:
    """Return the error that a command printed as JSON."""
    fields = Fields(record, "error of a command")
    name, code = fields.text("kind"), fields.number("exit_code")
    known = {one.__name__: one for one in _kinds(AttractorError)}
    kind = known.get(name) or _BY_EXIT_CODE.get(code, CommandFailed)
    # Without __init__, whose arguments differ from class to class.
    error = kind.__new__(kind)
    AttractorError.__init__(error, fields.text("message"), hint=fields.text("hint"))
    error.details = {key: one for key, one in record.items() if key not in _FIELDS}
    return error


_FIELDS = ("kind", "message", "hint", "exit_code")


def _kinds(kind: type[AttractorError]) -> Iterator[type[AttractorError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)
