"""Runs that do not go on by themselves: of a limit, a dead process, or records that are damaged."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from attractor.attention.evidence import Evidence, changes_of_run, failure_of
from attractor.attention.rows import AttentionRow, Choice, Settler, link_to_run, row_of_run
from attractor.attention.source import Look, Source
from attractor.base.dataclasses import changed
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder
from attractor.records.diagnosis.needs import (
    DECISION,
    LIMIT,
    QUESTION,
    UNREADABLE,
    RunNeed,
    needs_of,
    why_it_needs_a_person,
)
from attractor.records.summary import RunOverview

_CHOICES = [Choice("go on", "go on", "g"), Choice("cancel", "cancel it", "x")]


def _rows(look: Look) -> Iterator[AttentionRow]:
    # The run of a task is shown by its actor, unless workers of a pool execute it.
    actors = {view.name for view in look.views if not view.pool}
    shown = look.runs_of_actors
    for run in look.runs:
        why = why_it_needs_a_person(run)
        is_of_actor = run.actor in actors or run.run_id in shown
        if why == UNREADABLE or not (is_of_actor or why in (QUESTION, DECISION)):
            yield from (_row(run, need, look.project) for need in needs_of(run))


def _row(run: RunOverview, need: RunNeed, project: ProjectFolder) -> AttentionRow:
    row = changed(
        row_of_run(project, run, need),
        link=link_to_run(run.run_id),
        look=partial(_look, run.directory),
    )
    if need.why in (LIMIT, UNREADABLE):
        return row

    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        if choice == "go on":
            return at.resume(run.run_id)
        at.cancel(run.run_id, "")
        return "canceled"

    return changed(row, choices=_CHOICES, act=act)


def _look(root: Path, opened: OpenProject) -> Evidence:
    return Evidence(outputs=failure_of(root), changes=changes_of_run(root, opened))


part = Source(_rows)
