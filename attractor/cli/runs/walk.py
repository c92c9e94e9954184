"""Walks a run or a fork, and prints the result."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, MachineryError
from attractor.base.events import Event
from attractor.base.interrupts import interruptible
from attractor.cli.invocation import Invocation
from attractor.cli.runs.observers import EventPrinter, run_observers
from attractor.engine.journal.events import RunRestarting
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.records.lookup import reference_of
from attractor.records.summary import summarize

RESTARTING = RunRestarting.__name__


class Interrupted(AttractorError):
    """The run was interrupted by a signal."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True)
class InterruptedRun:
    """An interrupted run: the directory, and the command to resume the run, if possible."""

    run_id: str
    directory: Path
    next: str = ""

    @property
    def hint(self) -> str:
        """Return the hint for people."""
        go_on = f"continue with: {self.next}" if self.next else ""
        return "; ".join(filter(None, [f"the run is stored in {self.directory}", go_on]))

    def to_record(self) -> dict[str, object]:
        """Return the details as a JSON object with the same keys as a result."""
        next_ = [self.next] if self.next else []
        return {"run_id": self.run_id, "directory": str(self.directory), "next": next_}


class Watcher:
    """Passes events to observers and remembers the run directory.

    Questions are printed to `output`; before each write to `output`, the live display is cleared.
    """

    def __init__(
        self,
        invocation: Invocation,
        root: Path | None = None,
        *,
        as_json: bool = False,
        stage: str = "",
    ) -> None:
        self._runs_dir = invocation.configuration.settings.runs_dir
        self._root = root
        self._next: Path | None = None
        self._onlookers, self.output = run_observers(invocation, as_json=as_json, stage=stage)
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        """Start the observers."""
        for onlooker in self._onlookers:
            onlooker.begin(self._root)
            self._ending.callback(onlooker.end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the observers, even after an error, so that the terminal is restored."""
        self._ending.close()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        self._root = self._root or self._runs_dir / event.run_id
        if event.type == RESTARTING and event.branch is None:
            self._next = self._root.parent / str(event.data["run_id"])
        for onlooker in self._onlookers:
            onlooker(event)

    @contextmanager
    def quiet(self) -> Generator[None]:
        """Hold event lines back while a person is asked."""
        with ExitStack() as stack:
            for onlooker in self._onlookers:
                if isinstance(onlooker, EventPrinter):
                    stack.enter_context(onlooker.held())
            yield

    def interrupted_run(self) -> InterruptedRun | None:
        """Return the interrupted run, or None if none has started."""
        # A restarted run is only used once its manifest exists.
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
        return InterruptedRun(
            summary.run_id, root, "" if is_through else f"attractor resume {reference}"
        )


def walk(work: Coroutine[Any, Any, RunResult], watcher: Watcher) -> RunResult:
    """Run a coroutine until the run stops; on a signal, clean up first."""
    try:
        with watcher:
            return asyncio.run(interruptible(work))
    except (asyncio.CancelledError, KeyboardInterrupt) as cause:
        raise _with_run(Interrupted("interrupted"), watcher.interrupted_run()) from cause
    except MachineryError as error:
        _with_run(error, watcher.interrupted_run())
        raise


def _with_run(error: AttractorError, interrupted_run: InterruptedRun | None) -> AttractorError:
    """Add the directory and resume command of the interrupted run to an error."""
    if interrupted_run:
        error.hint = "; ".join(filter(None, [error.hint, interrupted_run.hint]))
        error.details = interrupted_run.to_record()
    return error
