"""Settles a run that ended on another machine, which has no ledger and sends no notices."""

from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Fences, RunDirectory, file_fence, read_manifest
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.state.run_state import CANCELED, EVALUATING, FAILED, RunState
from attractor.factory.decisions.run_end import record_end
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.register import ENDS
from attractor.pipeline.end_notices import notify_end
from attractor.pipeline.orders import Orders
from attractor.pipeline.workspace.deliver import deliver_ended_run
from attractor.records.delivery import read_delivery


@dataclass(frozen=True)
class SettledRun:
    """A run that ended elsewhere, or the last one that continues it after restarts."""

    root: Path
    state: RunState

    @property
    def needs_resume(self) -> bool:
        """Whether a resume delivers and evaluates it, without executing a stage here."""
        return self.state.status == EVALUATING


async def settle_ended(root: Path, opened: OpenProject, *, is_canceled: bool = False) -> SettledRun:
    """Deliver a run that failed or was canceled, record its end, and notify people, all once.

    The same for the runs that continue it. `is_canceled`: it was to be canceled, and no process was
    left that could record this. A run that succeeded is left as it is, for a resume.
    """
    while True:
        state = await _settle(root, opened, is_canceled=is_canceled)
        following = root.parent / state.restarted_as
        if not state.restarted_as or not RunDirectory(following).manifest.exists():
            return SettledRun(root, state)
        root = following


async def _settle(root: Path, opened: OpenProject, *, is_canceled: bool) -> RunState:
    if is_canceled:
        record_cancel(root, opened)
    state = _state(root)
    if state.status not in (FAILED, CANCELED):
        return state
    opened.require_own(root)
    directory = RunDirectory(root)
    if not read_delivery(directory).changed:
        await deliver_ended_run(root, opened.project)
    run_id = read_manifest(directory).run_id
    kinds = {entry.kind for entry in opened.ledger.entries(run_id)}
    if LineKind.CREATED not in kinds or kinds.intersection(ENDS):
        return state
    project = opened.project
    with open_run(
        root, clock=project.machine.clock, redactor=project.redactor, before_end=None
    ) as run:
        if not run.state.is_restarting:
            # Before the record: after a crash between both, this function begins again.
            await notify_end(run, project)
        record_end(opened, run, run.state.status)
    return state


def _state(root: Path) -> RunState:
    directory = RunDirectory(root)
    return open_journal(directory.events, directory.checkpoint).state


def record_cancel(
    root: Path,
    opened: OpenProject,
    fences: Fences = file_fence,
    why: str = "canceled in the fleet",
) -> None:
    """Cancel a run here that nothing executes elsewhere any more, unless its status is final."""
    project = opened.project
    # A worker may have written the id of another run.
    opened.require_own(root)
    if _state(root).status.is_final:
        return
    Orders(
        root=root,
        by="fleet",
        clock=project.machine.clock,
        randomness=project.machine.randomness,
        redactor=project.redactor,
        before_end=partial(record_end, opened),
        runs_dir=project.runs_dir,
        fences=fences,
    ).cancel(why)
