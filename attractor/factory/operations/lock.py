"""Locks a run that waits for a decision or is decided, and verifies its end against the ledger."""

from contextlib import ExitStack
from pathlib import Path

from attractor.engine.run_folder.layout import LOCK_WAIT_S, FileFence
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION
from attractor.factory.decisions.promotion import (
    settle_promotions,
)
from attractor.factory.evaluation.candidate_run import read_candidate_run
from attractor.factory.operations.policy import report_torn_line
from attractor.factory.register import register_of
from attractor.pipeline.project.project import Project

_ENDING_S = 10.0
"""Time for a process to release a run whose stages and evaluation have ended."""


def lock_run(root: Path, project: Project) -> OpenRun:
    """Lock a run of this project, and verify its end against the ledger."""
    register = register_of(project)
    register.require_own(root)
    facts = read_candidate_run(root)
    wait = _ENDING_S if facts.state.status in (AWAITING_DECISION, APPROVED) else LOCK_WAIT_S
    fence = FileFence(facts.directory.lock, purpose=f"run {facts.run_id}", wait=wait)
    with ExitStack() as undo:
        run = open_run(
            root,
            clock=project.machine.clock,
            redactor=project.redactor,
            fence=fence,
            before_end=register.record_end,
        )
        undo.callback(run.close)
        report_torn_line(run, project)
        register.settle_end(run)
        settle_promotions(run, register.ledger)
        undo.pop_all()
    return run
