"""Notifies people that a run waits for a decision, is done, failed, or used up its budget.

Of several runs of a project that fail for one cause within an hour, only the first one is notified.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import canonical_json, content_hash, parse_object
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import LOCK_WAIT_S
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import result_of
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING, FAILED
from attractor.pipeline.notifications import QUEUE, NoticeKind, Notifier
from attractor.pipeline.project.project import Project
from attractor.records.diagnosis.causes import NO_REASON, cause_of
from attractor.records.diagnosis.needs import DECISION, LIMIT, RunNeed, needs_of
from attractor.records.lookup import reference_of
from attractor.records.summary import summarize

_CAUSES = "causes.json"
_WITHIN = timedelta(hours=1)


async def notify_end(run: OpenRun, project: Project) -> None:
    """Send the notice of a run that this process no longer executes, if people must know."""
    if not project.notify.messengers:
        return
    root, status = run.directory.root, run.state.status
    reason = result_of(run.manifest, root, run.state).reason
    reference, send = reference_of(root, project.runs_dir), Notifier(run, project).send_once
    need = next(needs_of(replace(summarize(root), is_live=False), reference), None)
    if need and need.why == DECISION and run.manifest.suite:
        # A later evaluation makes another decision due.
        reports = len([*run.directory.evaluation.glob("*/report.json")])
        await send(NoticeKind.DECISION, need, key=str(reports))
    elif need and need.why == LIMIT:
        # A resume with the same limit stops again, and says nothing new.
        name, limit = reason.partition(":")[0], reason.rpartition(" of ")[2]
        await send(NoticeKind.BUDGET, need, key=f"{name} of {limit}")
    elif status in (AWAITING_DECISION, EVALUATING):
        command = f"attractor {'evaluate' if run.manifest.suite else 'status'} {reference}"
        await send(NoticeKind.DONE, RunNeed(reason, command))
    elif status == FAILED:
        file, key = project.machine.state_dir / QUEUE / _CAUSES, _key_of(run, reason, project)
        now = run.clock.now()
        if not _claim(file, key, now):
            project.console.tell("No notice is sent: this cause was notified within the last hour.")
            return
        is_sent = False
        try:
            command = f"attractor diagnose {reference}"
            is_sent = await send(NoticeKind.FAILED, RunNeed(reason, command))
        finally:
            if not is_sent:
                _withdraw(file, key, now)


def _key_of(run: OpenRun, reason: str, project: Project) -> str:
    """Return a text that is equal for the failed runs of a project with the same cause."""
    node = failure_class = ""
    for event in events_of(run.directory.events, ("StageFailed",)):
        node, failure_class = event.node or "", str(event.data.get("failure_class", ""))
    cause = cause_of(reason or NO_REASON, failure_class, run.manifest.pipeline, node)
    return content_hash(canonical_json([str(project.runs_dir), write_fields(cause)]).encode())


def _notified(file: Path, now: datetime) -> dict[str, str]:
    """Return the keys of the causes notified within the last hour, with the times."""
    try:
        found = parse_object(file.read_bytes()) or {}
    except OSError:
        found = {}
    oldest = (now - _WITHIN).isoformat()
    return {key: str(time) for key, time in found.items() if str(time) > oldest}


def _claim(file: Path, key: str, now: datetime) -> bool:
    """Note that a cause is notified now; return whether it was not within the last hour.

    Of runs that fail at the same moment, one claims the cause.
    """
    # The run has ended: a full disk must not change this, and people must know.
    with suppress(AttractorError), _locked(file):
        times = _notified(file, now)
        if key in times:
            return False
        write_whole(file, canonical_json({**times, key: now.isoformat()}), mode=0o600)
    return True


def _withdraw(file: Path, key: str, claimed: datetime) -> None:
    """Remove the claim of a run whose notice no messenger took."""
    with suppress(AttractorError), _locked(file):
        times = _notified(file, claimed)
        if times.get(key) == claimed.isoformat():
            del times[key]
            write_whole(file, canonical_json(times), mode=0o600)


def _locked(file: Path) -> FileLock:
    make_private_folder(file.parent)
    return FileLock(file.with_suffix(".lock")).acquire(wait=LOCK_WAIT_S)
