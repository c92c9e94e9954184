"""Lessons, and the journal from which it is read which of them hold.

A lesson is proposed by an agent, and holds only after a person took it. A dropped lesson is known
by the hash of its words and by its evidence.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, canonical_json, content_hash, parse_object
from attractor.base.patterns import late_pattern
from attractor.base.records import read_record, write_fields, write_record

MEMORY = "memory.jsonl"
"""The journal in the folder of a project of the state folder."""

_PATIENCE_S = 10.0
_SIMILAR = 0.5
_ID_DIGITS = 10
_WORDS = late_pattern(r"\w+")


def words_in(text: str) -> Sequence[str]:
    """Return the folded words of a text, in their order."""
    return _WORDS.findall(normalize("NFKC", text).casefold())


@dataclass(frozen=True)
class LessonCite:
    """The event of a run that a lesson has as its evidence."""

    run_id: str
    seq: int


@dataclass(frozen=True)
class Lesson:
    """A lesson: what to do, and why; it holds since `commit`, and is about `files`.

    The agent of the node `task` proposed it in the run `run_id`.
    """

    what: str
    why: str
    cites: Sequence[LessonCite]
    run_id: str
    task: str
    commit: str = ""
    files: Sequence[str] = ()

    @cached_property
    def words(self) -> Sequence[str]:
        """The folded words of what to do."""
        return words_in(self.what)

    @cached_property
    def words_hash(self) -> str:
        """The hash of the folded words."""
        return content_hash(" ".join(self.words).encode())

    @property
    def evidence(self) -> frozenset[LessonCite]:
        """The cited events, in no order."""
        return frozenset(self.cites)

    @cached_property
    def id(self) -> str:
        """The id: the beginning of the hash of the lesson."""
        return content_hash(canonical_json(write_record(self)).encode())[:_ID_DIGITS]

    def equals(self, other: "Lesson") -> bool:
        """Return whether two lessons have equal words or equal evidence."""
        return self.words_hash == other.words_hash or self.evidence == other.evidence

    def resembles(self, other: "Lesson") -> bool:
        """Return whether two lessons have half of their words in common."""
        own, others = {*self.words}, {*other.words}
        return len(own & others) >= _SIMILAR * len(own | others)


@dataclass(frozen=True)
class LessonProposed:
    """An agent proposed a lesson."""

    lesson: Lesson
    at: datetime


@dataclass(frozen=True)
class LessonTaken:
    """A person took a lesson: from now on, prompts quote it."""

    id: str
    by: str
    at: datetime


@dataclass(frozen=True)
class LessonDropped:
    """A person dropped a lesson, proposed or taken."""

    id: str
    by: str
    at: datetime


@dataclass(frozen=True)
class LessonsExported:
    """A person printed the taken lessons, to use them elsewhere."""

    ids: Sequence[str]
    by: str
    at: datetime


LessonLine = LessonProposed | LessonTaken | LessonDropped | LessonsExported
_KINDS: Mapping[str, type[LessonLine]] = {
    "proposed": LessonProposed,
    "taken": LessonTaken,
    "dropped": LessonDropped,
    "exported": LessonsExported,
}
_NAMES = {type_: name for name, type_ in _KINDS.items()}


class LessonStatus(StrEnum):
    """Whether a lesson waits for a person, holds, or does not."""

    PROPOSED = "proposed"
    TAKEN = "taken"
    DROPPED = "dropped"


@dataclass(frozen=True)
class LessonView:
    """A lesson, its status, and who gave it this status, and when."""

    lesson: Lesson
    status: LessonStatus
    at: datetime
    by: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the lesson."""
        status = {"status": self.status.value, "by": self.by, "at": self.at.isoformat()}
        return {"id": self.lesson.id, **write_fields(self.lesson), **status}


@dataclass(frozen=True)
class LessonHistory:
    """The lines of the journal, oldest first."""

    lines: Sequence[LessonLine] = ()

    @cached_property
    def views(self) -> Mapping[str, LessonView]:
        """All lessons by id, in the order in which they were proposed."""
        found: dict[str, LessonView] = {}
        for line in self.lines:
            match line:
                case LessonProposed(lesson, at):
                    found.setdefault(lesson.id, LessonView(lesson, LessonStatus.PROPOSED, at))
                case LessonTaken(id_, by, at) if id_ in found:
                    found[id_] = LessonView(found[id_].lesson, LessonStatus.TAKEN, at, by)
                case LessonDropped(id_, by, at) if id_ in found:
                    found[id_] = LessonView(found[id_].lesson, LessonStatus.DROPPED, at, by)
                case _:
                    pass
        return found

    def having(self, status: LessonStatus) -> Sequence[LessonView]:
        """Return the lessons with a status, also those that are not shown."""
        return [view for view in self.views.values() if view.status is status]

    @cached_property
    def taken(self) -> Sequence[LessonView]:
        """The lessons that hold."""
        return self.having(LessonStatus.TAKEN)

    @cached_property
    def open(self) -> Sequence[LessonView]:
        """The proposed lessons that a person is shown: none that equals a dropped one."""
        dropped = [view.lesson for view in self.having(LessonStatus.DROPPED)]
        proposed = self.having(LessonStatus.PROPOSED)
        return [view for view in proposed if not any(map(view.lesson.equals, dropped))]

    def resembling(self, lesson: Lesson) -> Sequence[LessonView]:
        """Return the dropped lessons that resemble one, to show them beside it."""
        dropped = self.having(LessonStatus.DROPPED)
        return [view for view in dropped if lesson.resembles(view.lesson)]

    def known(self, lesson: Lesson) -> LessonView | None:
        """Return the lesson with equal words or evidence that was proposed before, if any."""
        return next((one for one in self.views.values() if lesson.equals(one.lesson)), None)

    def proposed_in(self, run_id: str) -> int:
        """Return how many lessons a run proposed."""
        return sum(view.lesson.run_id == run_id for view in self.views.values())


def read_memory(place: Path) -> LessonHistory:
    """Read a journal; a line that a killed writer left incomplete is skipped."""
    if not place.exists():
        return LessonHistory()
    return LessonHistory([_parse(line.content, place) for line in read_lines(place)])


def open_memory(place: Path) -> Journal:
    """Open a journal as its only writer, so that no other process decides meanwhile."""
    return Journal.open(place, wait=_PATIENCE_S)


def append_to(journal: Journal, line: LessonLine) -> None:
    """Append a line to an open journal, and sync it."""
    journal.append(canonical_json({"kind": _NAMES[type(line)], "data": write_record(line)}))


def _parse(content: bytes, place: Path) -> LessonLine:
    record = parse_object(content) or {}
    data, kind = record.get("data"), _KINDS.get(str(record.get("kind")))
    if kind is None or not isinstance(data, dict):
        raise VerificationError(f"invalid line in {place}", hint="restore it from a backup")
    return read_record(kind, data)
