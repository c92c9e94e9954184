"""What is wrong with a proposed lesson, and what people decide about lessons."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

from attractor.base.errors import Refused, UsageError
from attractor.base.files import make_private_folder
from attractor.base.ids import is_run_id
from attractor.base.names import find_named
from attractor.engine.journal.reader import find_position
from attractor.engine.run_folder.layout import RunDirectory
from attractor.memory.records import (
    Lesson,
    LessonDropped,
    LessonHistory,
    LessonLine,
    LessonProposed,
    LessonsExported,
    LessonStatus,
    LessonTaken,
    LessonView,
    append_to,
    open_memory,
    read_memory,
)

LONGEST = 200
MOST_A_RUN = 3
_MOST_CITES = _MOST_FILES = 10

FindFault = Callable[[str], str]
"""Returns what a lesson with a text would reveal, or an empty text."""


def require_lesson(lesson: Lesson, runs_dir: Path, redact: Callable[[str], str]) -> None:
    """Refuse a lesson with an invalid text, with a secret, or with an unknown run."""
    for name, text in (("what", lesson.what), ("why", lesson.why)):
        if fault := _fault_of(text):
            raise UsageError(f"invalid lesson: `{name}` {fault}", hint="write one short sentence")
    if any(redact(text) != text for text in (lesson.what, lesson.why, *lesson.files)):
        raise UsageError("invalid lesson: it contains a secret", hint="write it without")
    _require_evidence(lesson, runs_dir)


def _require_evidence(lesson: Lesson, runs_dir: Path) -> None:
    for cite in lesson.cites:
        if not (is_run_id(cite.run_id) and RunDirectory(runs_dir / cite.run_id).events.is_file()):
            hint = "leave `cites` out, to cite your own run"
            raise UsageError(f"unknown run {cite.run_id[:40]!r}", hint=hint)
        journal = RunDirectory(runs_dir / cite.run_id).events
        if cite.seq < 1 or find_position(journal, cite.seq).before.seq != cite.seq:
            hint = "leave `cites` out, to cite your own run"
            raise UsageError(f"run {cite.run_id} has no event {cite.seq}", hint=hint)
    if len(lesson.cites) > _MOST_CITES or len(lesson.files) > _MOST_FILES:
        raise UsageError(f"more than {_MOST_CITES} cites or files", hint="name fewer")
    for file in lesson.files:
        if _fault_of(file) or _is_outside(file):
            raise UsageError(f"invalid path {file[:40]!r}", hint="name a file of the project")


def _fault_of(text: str) -> str:
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST:
        return f"has more than {LONGEST} characters"
    return "" if text.isprintable() else "contains a control character or a line break"


def _is_outside(file: str) -> bool:
    path = PurePosixPath(file)
    return path.is_absolute() or ".." in path.parts


def propose(lesson: Lesson, place: Path, now: datetime) -> Sequence[LessonView]:
    """Record a proposed lesson, and return the dropped lessons that resemble it.

    Refuse one that is known, and more than three of a run.
    """
    make_private_folder(place.parent)
    with open_memory(place) as journal:
        history = read_memory(place)
        if known := history.known(lesson):
            raise Refused(
                f"the lesson {known.lesson.id} has the same words or evidence, and is "
                f"{known.status}",
                hint="propose something else, or nothing",
            )
        if history.proposed_in(lesson.run_id) >= MOST_A_RUN:
            hint = "propose no more"
            raise Refused(f"this run proposed {MOST_A_RUN} lessons already", hint=hint)
        append_to(journal, LessonProposed(lesson, now))
    return history.resembling(lesson)


def find_lesson(reference: str, history: LessonHistory) -> LessonView:
    """Return the lesson with an id, or with the unique beginning of one."""
    return find_named("lesson", reference, history.views.values(), lambda one: [one.lesson.id])


def take(reference: str, place: Path, by: str, now: datetime, find_fault: FindFault) -> LessonView:
    """Let a lesson hold; refuse one that would reveal something."""

    def line_of(view: LessonView) -> LessonLine:
        lesson = view.lesson
        if fault := find_fault("\n".join((lesson.what, lesson.why, *lesson.files))):
            hint = f"drop it: attractor memory drop {lesson.id}"
            raise Refused(f"the lesson {lesson.id} contains {fault}", hint=hint)
        return LessonTaken(lesson.id, by, now)

    return _decide(reference, place, LessonStatus.TAKEN, line_of)


def drop(reference: str, place: Path, by: str, now: datetime) -> LessonView:
    """Let a lesson hold no more; one with equal words or evidence is not shown again."""
    return _decide(
        reference,
        place,
        LessonStatus.DROPPED,
        lambda view: LessonDropped(view.lesson.id, by, now),
    )


def _decide(
    reference: str, place: Path, wanted: LessonStatus, line_of: Callable[[LessonView], LessonLine]
) -> LessonView:
    id_ = find_lesson(reference, read_memory(place)).lesson.id
    with open_memory(place) as journal:
        view = read_memory(place).views[id_]
        if view.status is wanted:
            hint = "see: attractor memory list"
            raise Refused(f"the lesson {id_} is {wanted} already, by {view.by}", hint=hint)
        append_to(journal, line_of(view))
    return read_memory(place).views[id_]


def export(place: Path, by: str, now: datetime) -> Sequence[LessonView]:
    """Return the lessons that hold, and record that they were printed."""
    history = read_memory(place)
    if history.taken:
        with open_memory(place) as journal:
            append_to(journal, LessonsExported([one.lesson.id for one in history.taken], by, now))
    return history.taken


def find_gone(lesson: Lesson, runs_dir: Path, root: Path) -> Sequence[str]:
    """Return which of the runs and files of a lesson are gone."""
    runs = dict.fromkeys(cite.run_id for cite in lesson.cites)
    return [
        *(f"run {one}" for one in runs if not RunDirectory(runs_dir / one).events.is_file()),
        *(f"file {one}" for one in lesson.files if not (root / one).exists()),
    ]
