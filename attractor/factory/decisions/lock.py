"""Locks a run that waits for a decision or is decided, and verifies its end against the ledger."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from attractor.engine.run_folder.layout import LOCK_WAIT_S, FileFence, RunDirectory
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.decide import settle_decision
from attractor.factory.decisions.promotion import settle_promotions
from attractor.factory.decisions.run_end import record_end, report_torn_line, settle_end
from attractor.factory.open_project import OpenProject

_ENDING_S = 10.0
"""Time for a process to release a run whose stages and evaluation have ended."""


def lock_run(root: Path, opened: OpenProject) -> OpenRun:
    """Lock a run of this project, and verify its end against the ledger."""
    opened.require_own(root)
    project, facts = opened.project, read_candidate_run(root)
    wait = _ENDING_S if facts.state.status in (AWAITING_DECISION, APPROVED) else LOCK_WAIT_S

    def waiting(directory: RunDirectory, purpose: str) -> FileFence:
        return FileFence(directory.lock, purpose=purpose, wait=wait)

    with ExitStack() as undo:
        run = open_run(
            root,
            clock=project.machine.clock,
            redactor=project.redactor,
            fences=waiting,
            before_end=partial(record_end, opened),
        )
        undo.callback(run.close)
        report_torn_line(run, opened)
        settle_end(opened, run)
        settle_decision(run, opened.ledger)
        settle_promotions(run, opened.ledger)
        undo.pop_all()
    return run
