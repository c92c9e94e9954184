"""Records the end of a run in the ledger, and settles an end that a process did not survive."""

from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.state.run_state import EVALUATING, FAILED, RunStatus
from attractor.factory.candidate_run import facts_of
from attractor.factory.errors import AlreadyDecided
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.register import ENDS, LEAKED_REASON, require_journal


def record_end(opened: OpenProject, run: OpenRun, status: RunStatus) -> None:
    """Search a run that fails or is canceled for holdouts, and record its end in the ledger.

    A run that restarts is not searched: the run that continues it is. Without the sealed suite, the
    run ends without a search, and its record says so. A decided run is refused.
    """
    run_id = run.manifest.run_id
    if any(one.kind == LineKind.DECIDED for one in opened.ledger.entries(run_id)):
        # A process died after the decision, and before it changed the status.
        raise AlreadyDecided(f"{run_id} is already decided", hint=f"attractor decide {run_id}")
    searched: dict[str, str] = {}
    if run.manifest.suite and not run.state.is_restarting:
        # The search opens the suite, which is slow to import.
        from attractor.factory.evaluation.evaluate import Evaluator
        from attractor.factory.evaluation.leaks import search_at_end

        searched = search_at_end(opened, run)
        if not searched and run.state.status == EVALUATING:
            # Otherwise a candidate that ends the process would have these trials again in a new
            # run.
            Evaluator(opened).end_trials(run)
    head = run.events.head.hash
    ended = {"status": status.word.value, "journal_head": head, **searched}
    opened.ledger.append(LineKind.ENDED, run_id, ended, now=run.clock.now(), once=True)


def settle_end(opened: OpenProject, run: OpenRun) -> None:
    """Refuse a journal without lines before the end of the run that the ledger records.

    If the process died before it changed the status, change the status.
    """
    ended = [entry for entry in opened.ledger.entries(run.manifest.run_id) if entry.kind in ENDS]
    if ended:
        require_journal(facts_of(run), ended)
    if run.state.status.is_final or not any(entry.kind == LineKind.ENDED for entry in ended):
        return
    if run.state.status == EVALUATING and not run.state.why_canceled:
        # Only a leak ends an evaluation without a decision.
        run.change_status(FAILED, LEAKED_REASON)
    else:
        end_run(run)


def has_ended(opened: OpenProject, root: Path) -> bool:
    """Return whether the ledger records a final status of a run."""
    run_id = read_manifest(RunDirectory(root)).run_id
    return any(entry.kind in ENDS for entry in opened.ledger.entries(run_id))


def report_torn_line(run: OpenRun, opened: OpenProject) -> None:
    """Report an incomplete line that was removed before the journal had observers."""
    if torn := run.events.torn:
        opened.project.console.tell(
            "The last line of the journal was incomplete, because the process that wrote it died: "
            f"{len(torn.content)} bytes from byte {torn.offset} on were removed. "
            "No completed event is lost."
        )
