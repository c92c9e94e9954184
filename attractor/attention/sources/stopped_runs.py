"""Runs that do not go on by themselves: of a limit, a dead process, or records that are damaged."""

import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from attractor.attention.evidence import Evidence, changes_of_run, failure_of
from attractor.attention.rows import AttentionRow, Choice, Settler, link_to_run
from attractor.attention.source import Look, Source
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder
from attractor.pipeline.status import (
    ANSWERED,
    DEAD_PROCESS,
    LIMIT,
    STOPPED,
    UNREADABLE,
    plain_status,
)
from attractor.records.diagnosis.failures import budget_option
from attractor.records.summary import RunOverview

_STOPS = (ANSWERED, LIMIT, STOPPED, DEAD_PROCESS)
_CHOICES = [Choice("go on", "go on", "g"), Choice("cancel", "cancel it", "x")]
_WORDS = {
    ANSWERED: "its questions are answered, and no process goes on",
    DEAD_PROCESS: "its process died",
}


def _rows(look: Look) -> Iterator[AttentionRow]:
    for run in look.runs:
        why = plain_status(run).reason
        # The run of a task is shown by its actor.
        if why == UNREADABLE or (why in _STOPS and not run.actor):
            yield _row(run, why, look.project)


def _row(run: RunOverview, why: str, project: ProjectFolder) -> AttentionRow:
    goes_on = why not in (LIMIT, UNREADABLE)
    option = budget_option(run.why_stopped)
    resume = shlex.join(["attractor", "resume", run.run_id, *option])
    reason = run.why_stopped or run.trouble or _WORDS.get(why, why)

    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        if choice == "go on":
            return at.resume(run.run_id)
        at.cancel(run.run_id, reason)
        return "canceled"

    return AttentionRow(
        id=f"{why}:{run.run_id}:{run.why_stopped or run.stage}",
        need=why,
        project=project,
        name=run.run_id,
        reason=reason,
        since=run.written or run.started,
        usage=run.usage,
        command=f"attractor status {run.run_id}" if why == UNREADABLE else resume,
        run_id=run.run_id,
        about="" if why == UNREADABLE else run.subject,
        choices=_CHOICES if goes_on else (),
        act=act if goes_on else None,
        link=link_to_run(run.run_id),
        look=partial(_look, project.runs_dir / run.run_id),
    )


def _look(root: Path, opened: OpenProject) -> Evidence:
    return Evidence(outputs=failure_of(root), changes=changes_of_run(root, opened))


part = Source(_rows)
