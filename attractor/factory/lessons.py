"""The memory of a project, for its runs and its people."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json, texts_in
from attractor.base.records import write_record
from attractor.base.secret_search import SecretSearch
from attractor.engine.journal.events import LESSONS_GIVEN
from attractor.engine.journal.reader import events_of
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import Fields
from attractor.factory.open_project import OpenProject
from attractor.factory.project import project_folder
from attractor.memory.decisions import drop, find_gone, take
from attractor.memory.records import MEMORY, Lesson, LessonStatus, LessonView, read_memory, words_in
from attractor.memory.stages import ProjectMemory
from attractor.records.summary import RunOverview
from attractor.workspaces.errors import NotARepository, UnknownCommit
from attractor.workspaces.git.repository import open_repository

_SHARED_WORDS = 4


def memory_of(opened: OpenProject) -> Path:
    """Return the journal of the lessons of a project; it may not exist yet."""
    state = opened.project.machine.state_dir
    return project_folder(state, opened.identity.project_id() or "none") / MEMORY


def memory_for_runs(opened: OpenProject) -> ProjectMemory | None:
    """Return the memory for the stages of runs; None if the settings turn it off."""
    project, settings = opened.project, opened.project.memory
    if not settings.lessons:
        return None
    return ProjectMemory(
        partial(memory_of, opened),
        lambda: asyncio.run(_checked_out(opened)),
        project.runs_dir,
        project.machine.clock,
        most=settings.lessons,
        most_bytes=settings.bytes,
    )


@dataclass(frozen=True)
class ShownLesson:
    """A lesson with which of its runs and files are gone, and the dropped ones that resemble it."""

    view: LessonView
    gone: Sequence[str]
    dropped_before: Sequence[LessonView]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the lesson."""
        dropped: list[Json] = [one.to_record() for one in self.dropped_before]
        return {**self.view.to_record(), "gone": [*self.gone], "dropped_before": dropped}


def lessons_shown(opened: OpenProject) -> Sequence[ShownLesson]:
    """Return the proposed lessons of a project, and then the taken ones."""
    history, project = read_memory(memory_of(opened)), opened.project
    return [
        ShownLesson(
            view,
            find_gone(view.lesson, project.runs_dir, project.root),
            history.resembling(view.lesson) if view.status is LessonStatus.PROPOSED else (),
        )
        for view in (*history.open, *history.taken)
    ]


def take_lesson(reference: str, opened: OpenProject, by: str) -> LessonView:
    """Let prompts of matching tasks quote a lesson from now on."""
    return take(reference, memory_of(opened), by, opened.now(), partial(find_fault, opened))


def drop_lesson(reference: str, opened: OpenProject, by: str) -> LessonView:
    """Let no prompt quote a lesson, and show none with the same words or evidence again."""
    return drop(reference, memory_of(opened), by, opened.now())


@dataclass(frozen=True)
class TaskCount:
    """The number of tasks, and of those that succeeded."""

    tasks: int
    succeeded: int

    def __str__(self) -> str:
        return f"{self.tasks} ({self.succeeded} succeeded)"


@dataclass(frozen=True)
class LessonTasks:
    """The tasks of actors and missions whose prompts quoted a lesson, and the others.

    The others are those that began after a person took it.
    """

    lesson: Lesson
    quoted: TaskCount
    others: TaskCount

    def to_record(self) -> dict[str, Json]:
        """Return the counts as a JSON object."""
        counts = {"with": write_record(self.quoted), "without": write_record(self.others)}
        return {"id": self.lesson.id, "what": self.lesson.what, **counts}


def count_tasks(opened: OpenProject, runs: Sequence[RunOverview]) -> Sequence[LessonTasks]:
    """Count the tasks among some runs with and without each taken lesson."""
    tasks = [(run, _lessons_in(run)) for run in runs if _is_task(run)]
    return [
        LessonTasks(
            view.lesson,
            _count(run for run, ids in tasks if view.lesson.id in ids),
            _count(
                run for run, ids in tasks if view.lesson.id not in ids and run.started >= view.at
            ),
        )
        for view in read_memory(memory_of(opened)).taken
    ]


def _is_task(run: RunOverview) -> bool:
    with suppress(AttractorError):
        options = read_manifest(RunDirectory(run.directory)).options
        mission = options.get("mission")
        return "task" in options or (isinstance(mission, dict) and bool(mission.get("task")))
    return False


def _lessons_in(run: RunOverview) -> set[str]:
    """Return the ids of the lessons that prompts of a run and of its children quoted."""
    journals = run.directory.rglob(RunDirectory(run.directory).events.name)
    events = (event for one in journals for event in events_of(one, (LESSONS_GIVEN,)))
    return {id_ for event in events for id_ in Fields(event.data, event.type).texts("ids")}


def _count(runs: Iterable[RunOverview]) -> TaskCount:
    succeeded = [run.outcome == StageStatus.SUCCESS for run in runs]
    return TaskCount(len(succeeded), sum(succeeded))


async def _checked_out(opened: OpenProject) -> str:
    """Return the checked-out commit; "" outside of Git, and before the first commit."""
    project = opened.project
    try:
        repository = await open_repository(project.root, search_path=project.machine.search_path)
        return await repository.commit("HEAD")
    except (NotARepository, UnknownCommit):
        return ""


def find_fault(opened: OpenProject, text: str) -> str:
    """Return what a text would reveal to agents: a secret, or words of a holdout; "" for neither.

    Words are of a holdout if four of them follow each other in it.
    """
    if opened.project.redactor.finds(text):
        return "a secret"
    words, versions = words_in(text), opened.suites.versions
    phrases = {" ".join(words[at : at + _SHARED_WORDS]) for at in range(len(words))}
    for name in versions.names():
        sealed = opened.suites.open(versions.find(name))
        if SecretSearch([sealed.canary]).may_find(text):
            return "the canary of a suite"
        for holdout in sealed.suite.of_split("holdout"):
            for hidden in texts_in(holdout.model_dump(mode="json")):
                found = words_in(hidden)
                theirs = (
                    " ".join(found[at : at + _SHARED_WORDS])
                    for at in range(len(found) - _SHARED_WORDS + 1)
                )
                if not phrases.isdisjoint(theirs):
                    return "words of a holdout"
    return ""
