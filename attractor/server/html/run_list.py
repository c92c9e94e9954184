"""The rows of the list of runs: facts of a run that its summary has, or that need the time."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.ids import is_run_id
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import AWAITING_ANSWER, StatusWord
from attractor.pipeline.status import SUCCEEDED, PlainWord, plain_status
from attractor.records.drawing import read_graph
from attractor.records.summary import RunOverview

_STARTED, _ENDED = "StageStarted", ("StageCompleted", "StageFailed")
_MILLISECOND = 10
"""The characters of a run id that are its time: commands find the run by them."""


@dataclass(frozen=True)
class RunRow:
    """A run in the list; of one at work, also how many stages it has reached and ended, of all.

    Without a readable pipeline, and of a run that is not at work, `stages` is 0.
    """

    run: RunOverview
    seconds: float
    reached: int = 0
    ended: int = 0
    stages: int = 0

    @property
    def name(self) -> str:
        """The name of the run in addresses."""
        return self.run.directory.name

    @property
    def short_name(self) -> str:
        """The beginning of the name, by which commands find the run."""
        return self.name[:_MILLISECOND] if is_run_id(self.name) else self.name

    @property
    def branch(self) -> str:
        """The branch that has the result."""
        return self.run.promoted_to or self.run.landed_on

    @property
    def reason(self) -> str:
        """Why the run waits, stopped or ended without success; questions have rows of their own."""
        run, plain = self.run, plain_status(self.run)
        is_at_work = plain.word is PlainWord.RUNNING and not run.wait
        if is_at_work or plain.reason in (SUCCEEDED, StatusWord.APPROVED):
            return ""
        if run.questions or run.phase == AWAITING_ANSWER.phase:
            # After the answer, the reason names the question until a process goes on.
            return ""
        return run.why_stopped or run.reason


def row_of(run: RunOverview, now: datetime) -> RunRow:
    """Return the row of a run."""
    if not run.is_live:
        return RunRow(run, run.seconds)
    seconds = max(0.0, (now - run.started).total_seconds())
    # The page of the run names the error.
    try:
        stages = _stages_of(run.directory)
        events = [*events_of(RunDirectory(run.directory).events, (_STARTED, *_ENDED))]
        reached = stages & {event.node for event in events}
        ended = stages & {event.node for event in events if event.type in _ENDED}
    except AttractorError:
        return RunRow(run, seconds)
    return RunRow(run, seconds, len(reached), len(ended), len(stages))


@lru_cache(maxsize=1000)
def _stages_of(root: Path) -> frozenset[str]:
    """Return the nodes of a run that are stages: all but start and exit."""
    nodes = read_graph(RunDirectory(root)).nodes.values()
    return frozenset(node.id for node in nodes if node.type not in ("start", "exit"))


def longest_waiting_first(runs: Sequence[RunOverview]) -> Sequence[RunOverview]:
    """Return runs that wait for a person, the one that has waited longest first.

    A new one is below all others, so that no row moves while a person reads it.
    """
    return sorted(runs, key=_waits_since)


def _waits_since(run: RunOverview) -> datetime:
    if run.questions:
        return _asked_at(run.directory, run.questions[0].id, run.started)
    return run.written or run.started


@lru_cache(maxsize=10_000)
def _asked_at(root: Path, question: str, default: datetime) -> datetime:
    """Return the time of a question, which never changes."""
    for event in events_of(RunDirectory(root).events, ("QuestionAsked",)):
        match event.data:
            case {"question": {"id": str(id_)}} if id_ == question:
                return event.time
            case _:
                pass
    return default
