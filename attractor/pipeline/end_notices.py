"""Notifies people that a run waits for a decision, is done, failed, or used up its budget."""

from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import result_of
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING, EXECUTING, FAILED
from attractor.pipeline.notifications import NoticeKind, Notifier
from attractor.pipeline.project.project import Project
from attractor.records.diagnosis.failures import budget_option
from attractor.records.diagnosis.unchanged import describe_unchanged
from attractor.records.lookup import reference_of


async def notify_end(run: OpenRun, project: Project) -> None:
    """Send the notice of a run that this process no longer executes, if people must know."""
    if not project.notify.messengers:
        return
    root, status = run.directory.root, run.state.status
    reason = result_of(run.manifest, root, run.state).reason
    reference, send = reference_of(root, project.runs_dir), Notifier(run, project).send_once
    if status == AWAITING_DECISION and run.manifest.suite:
        # A later evaluation makes another decision due.
        reports = len([*run.directory.evaluation.glob("*/report.json")])
        unchanged = describe_unchanged(root) if run.state.reason.endswith("no-go") else ""
        text = ": ".join(filter(None, [run.state.reason, unchanged]))
        command = f"attractor decide {reference}"
        await send(NoticeKind.DECISION, text, command, key=str(reports))
    elif status in (EXECUTING, EVALUATING) and (more := budget_option(reason)):
        word = "resume" if status == EXECUTING else "evaluate"
        command = " ".join([f"attractor {word}", reference, *more])
        # A resume with the same limit stops again, and says nothing new.
        name, limit = reason.partition(":")[0], reason.rpartition(" of ")[2]
        await send(NoticeKind.BUDGET, reason, command, key=f"{name} of {limit}")
    elif status in (AWAITING_DECISION, EVALUATING):
        word = "evaluate" if run.manifest.suite else "status"
        await send(NoticeKind.DONE, reason, f"attractor {word} {reference}")
    elif status == FAILED:
        await send(NoticeKind.FAILED, reason, f"attractor diagnose {reference}")
