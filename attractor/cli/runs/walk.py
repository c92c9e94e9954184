"""Walks a run until it rests; whatever stops it before, the command that goes on is named."""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, MachineryError
from attractor.base.events import Event
from attractor.cli.invocation import Invocation
from attractor.cli.runs.observers import EventPrinter, onlookers_of
from attractor.engine.journal.events import RunRestarting
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.pipeline.runs.lookup import reference_of, summarize

RESTARTING = RunRestarting.__name__

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What tells us to end: Ctrl-C, kill, a closed terminal."""


class Interrupted(AttractorError):
    """Somebody told us to end."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True)
class Left:
    """A run that was let go of: where it is kept, and what goes on with it, if anything does."""

    run_id: str
    directory: Path
    next: str = ""

    @property
    def hint(self) -> str:
        """Return it for a person."""
        go_on = f"continue with: {self.next}" if self.next else ""
        return "; ".join(filter(None, [f"the run is stored in {self.directory}", go_on]))

    def to_record(self) -> dict[str, object]:
        """Return it for a program, in the words of a result."""
        next_ = [self.next] if self.next else []
        return {"run_id": self.run_id, "directory": str(self.directory), "next": next_}


class Watcher:
    """Tells onlookers what happens in a run, and remembers where the run is kept.

    People are asked on its `output`, so that whoever draws on the terminal steps aside.
    """

    def __init__(
        self, invocation: Invocation, root: Path | None = None, *, as_json: bool = False
    ) -> None:
        self._runs_dir = invocation.configuration.settings.runs_dir
        self._root = root
        self._next: Path | None = None
        self._onlookers, self.output = onlookers_of(invocation, as_json=as_json)
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        """Let the onlookers begin."""
        for one in self._onlookers:
            one.begin(self._root)
            self._ending.callback(one.end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the onlookers end, whatever happened: the terminal is as it was before."""
        self._ending.close()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        self._root = self._root or self._runs_dir / event.run_id
        if event.type == RESTARTING and event.branch is None:
            self._next = self._runs_dir / str(event.data["run_id"])
        for one in self._onlookers:
            one(event)

    @contextmanager
    def quiet(self) -> Generator[None]:
        """Have nothing printed while somebody is asked; it is told afterwards."""
        with ExitStack() as stack:
            for one in self._onlookers:
                if isinstance(one, EventPrinter):
                    stack.enter_context(one.held())
            yield

    def left(self) -> Left | None:
        """Return where the run was left; nothing when there is none yet."""
        # The next round counts from when it is there.
        is_there = self._next is not None and (self._next / "manifest.json").is_file()
        root = self._next if is_there else self._root
        if root is None:
            return None
        try:
            summary = summarize(root)
            reference = reference_of(root, self._runs_dir)
        except AttractorError:
            return None
        is_through = not summary.is_stopped and summary.phase != AWAITING_ANSWER.phase
        return Left(summary.run_id, root, "" if is_through else f"attractor resume {reference}")


def walk(work: Coroutine[Any, Any, RunResult], watcher: Watcher) -> RunResult:
    """Do the work of a run; when it is told to end, everything it began is ended first."""
    try:
        with watcher:
            return asyncio.run(_interruptible(work))
    except (asyncio.CancelledError, KeyboardInterrupt) as cause:
        raise _told(Interrupted("interrupted"), watcher.left()) from cause
    except MachineryError as error:
        _told(error, watcher.left())
        raise


def _told(error: AttractorError, left: Left | None) -> AttractorError:
    """Add to an error where the run was left that it ended."""
    if left:
        error.hint = "; ".join(filter(None, [error.hint, left.hint]))
        error.details = left.to_record()
    return error


async def _interruptible(work: Coroutine[Any, Any, RunResult]) -> RunResult:
    """Let a signal cancel the work; another one cuts the graces short that it gives to others."""
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        return await work
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in ENDING}
    # Under nohup a closed terminal means nothing, and in the background of a script Ctrl-C.
    heeded = [number for number in ENDING if before[number] is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await work
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
            # Told to end, we have only our last words to say, and nothing shall cut them short.
            signal.signal(number, signal.SIG_IGN if task.cancelling() else before[number])
