"""Proposed lessons that no person has taken or dropped, by the run that proposed them."""

from collections.abc import Iterator, Mapping
from functools import partial

from attractor.attention.evidence import Evidence
from attractor.attention.rows import AttentionRow, Link, in_project
from attractor.attention.source import Look, Source
from attractor.base.amounts import number_of
from attractor.factory.open_project import OpenProject
from attractor.factory.project import project_folder
from attractor.memory.records import MEMORY, LessonView, read_memory


def _rows(look: Look) -> Iterator[AttentionRow]:
    by_run: dict[str, list[LessonView]] = {}
    for view in read_memory(project_folder(look.state, look.project.project_id) / MEMORY).open:
        by_run.setdefault(view.lesson.run_id, []).append(view)
    for run, views in by_run.items():
        words = {view.lesson.id: f"{view.lesson.what} (why: {view.lesson.why})" for view in views}
        yield AttentionRow(
            id=f"lessons:{run}",
            need="lessons",
            project=look.project,
            name=run,
            reason=f"{number_of(len(views), 'proposed lesson')} to take or drop",
            since=views[0].at,
            command=f"{in_project(look.project)}attractor memory list",
            run_id=run,
            link=Link("Read the lessons", "/memory"),
            look=partial(_look, words),
        )


def _look(words: Mapping[str, str], opened: OpenProject) -> Evidence:
    return Evidence(facts=words)


part = Source(_rows)
"""What needs a person in the memory of a project."""
