"""Notifies people of runs of the fleet that wait for them: a worker sends no notice."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_object
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import RunState
from attractor.fleet.records import FleetRun, ReasonKind
from attractor.pipeline.notifications import NoticeKind, record_of, record_of_question, send_notice
from attractor.pipeline.project.project import Project
from attractor.records.diagnosis.needs import RunNeed, needs_of
from attractor.records.lookup import reference_of
from attractor.records.summary import summarize

TOLD = Path("fleet", "told")
"""The folder below the state folder with the notices that were sent, a file for each run."""


async def notify_of_wait(run: FleetRun, root: Path, project: Project) -> None:
    """Notify people that a parked run waits for them, once for each question and each limit.

    What is sent is noted before, so a notice is never sent twice.
    """
    if not project.notify.messengers:
        return
    file = project.machine.state_dir / TOLD / f"{run.run_id}.json"
    told = (parse_object(read_regular(file)) if file.exists() else None) or {}
    if told.get("attempt") == run.attempt:
        return
    directory = RunDirectory(root)
    state = open_journal(directory.events, directory.checkpoint).state
    known = told.get("sent")
    sent: list[Json] = [*known] if isinstance(known, list) else []
    new = {key: record for key, record in _notices(run, root, state, project) if key not in sent}
    make_private_folder(file.parent)
    noted: JsonObject = {"attempt": run.attempt, "sent": [*sent, *new]}
    write_whole(file, canonical_json(noted))
    await _send(list(new.values()), project)


def _notices(
    run: FleetRun, root: Path, state: RunState, project: Project
) -> Iterator[tuple[str, JsonObject]]:
    for one in state.questions:
        yield one.id, record_of_question(one, state.walks, root, project, is_parked=True)
    stopped = str(run.reason.details.get("stopped", "")) if run.reason else ""
    reference = reference_of(root, project.runs_dir)
    need = RunNeed(stopped, f"attractor status {reference}")
    if run.reason and run.reason.kind is ReasonKind.BUDGET:
        stop = replace(summarize(root), is_live=False, why_stopped=stopped)
        kind, need = NoticeKind.BUDGET, next(needs_of(stop, reference), need)
    elif run.reason and run.reason.kind is ReasonKind.LIMIT:
        kind = NoticeKind.LIMIT
    else:
        return
    yield f"{kind}:{stopped}", record_of(kind, need, root, project)


async def _send(records: list[JsonObject], project: Project) -> None:
    """Send notices together; a messenger that fails tells this to the console of the server."""
    machine = project.machine
    sending = [
        send_notice(
            project.redactor.members(record),
            project.notify,
            state_dir=machine.state_dir,
            clock=machine.clock,
        )
        for record in records
    ]
    for faults in await asyncio.gather(*sending):
        for name, fault in faults.items():
            if fault:
                project.console.tell(f"The messenger {name} did not take a notice: {fault}.")
