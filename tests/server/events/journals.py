"""Run directories whose journals the tests write."""

from pathlib import Path
from types import TracebackType
from typing import Self

from attractor.base.clock import SystemClock
from attractor.base.hash_chain import ChainHead
from attractor.engine.journal.events import EventLog
from attractor.engine.run_folder.layout import FileFence, RunDirectory
from attractor.engine.state.attempts import StageReference
from attractor.engine.storage.secrets import Redactor


class Journalist:
    """Writes the journal of a run, like the process that holds the lock of the run."""

    def __init__(self, root: Path, head: ChainHead | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.directory = RunDirectory(root)
        self.directory.manifest.touch()
        self._fence = FileFence(self.directory.lock)
        self._fence.begin()
        self._log = EventLog(
            self.directory.events, run_id=root.name, clock=SystemClock(), redactor=Redactor([])
        )
        if head:
            self._log.continue_from(head)

    @property
    def head(self) -> ChainHead:
        return self._log.head

    def say(self, *words: str, node: str = "") -> None:
        """Write an event for each word."""
        for word in words:
            place = StageReference(node, 1, 1) if node else StageReference()
            self._log.append("Said", {"word": word}, place=place)

    def change(self, status: str, reason: str = "") -> None:
        """Write a change of the status."""
        data = {"status": status, "phase": "", "reason": reason}
        self._log.append("RunStatusChanged", {**data})

    def stop(self) -> ChainHead:
        """End the process; return the head of the chain, from which another process continues."""
        self._log.close()
        self._fence.end()
        return self.head

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
