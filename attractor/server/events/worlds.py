"""The worlds of a state folder as they are now, read again and again for all readers at once.

No file tells when an actor changes: its status comes from its journal, inbox, lock and run. A
reader begins with all that there is, and then gets what differs from what it has, so an event needs
no number, and a reader that was away misses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from attractor.attention.reading import read_attention
from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import file_error
from attractor.base.json import Json
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.history.index import RunIndex
from attractor.factory.project import list_project_folders
from attractor.server.events.buffer import DescribeError, StreamEvent, notice
from attractor.worlds.actors import list_actors
from attractor.worlds.records import actor_record, project_record
from attractor.worlds.status import KnownJournals, read_actors

POLL_S = 0.5
"""The pause between two looks."""


class Thing(StrEnum):
    """What a reader of worlds is told about; also the first word of its events."""

    WORLD = "World"
    ACTOR = "Actor"
    ATTENTION = "Attention"


@dataclass(frozen=True)
class Known:
    """The record of a thing, and the project that it is in."""

    project_id: str
    record: dict[str, Json]


Snapshot = Mapping[tuple[Thing, str], Known]
"""The things of all worlds, by their ids: that of a project, `PROJECT/ACTOR`, that of a row."""


def read_worlds(state: Path, environ: Mapping[str, str], known: KnownJournals) -> Snapshot:
    """Return all worlds without archived actors, as they are now."""
    # What cannot be read is left out: the lists say what it is.
    views = read_actors(list_actors(state), known=known)
    found: dict[tuple[Thing, str], Known] = {}
    for project in list_project_folders(state):
        with suppress(AttractorError):
            dimensions = DimensionRecords.in_state(state, project.project_id).all()
            record = project_record(project, dimensions)
            found[Thing.WORLD, project.project_id] = Known(project.project_id, record)
    for view in views:
        project_id = view.folder.project.project_id
        if not view.history.archived:
            found[Thing.ACTOR, f"{project_id}/{view.name}"] = Known(project_id, actor_record(view))
    for row in read_attention(state, SystemClock().now(), environ, views=views).rows:
        found[Thing.ATTENTION, row.id] = Known(row.project.project_id, row.to_record())
    return found


def changes(
    before: Snapshot, now: Snapshot, reaches: Callable[[str], bool]
) -> Iterator[StreamEvent]:
    """Yield what a reader is told, who had one snapshot and may reach certain projects."""
    for (thing, id_), one in now.items():
        if reaches(one.project_id) and before.get((thing, id_)) != one:
            yield _event(thing, "Changed", id_, one, one.record)
    for (thing, id_), one in before.items():
        if reaches(one.project_id) and (thing, id_) not in now:
            yield _event(thing, "Gone", id_, one, None)


def _event(thing: Thing, what: str, id_: str, one: Known, record: Json) -> StreamEvent:
    content: dict[str, Json] = {"id": id_, "project": one.project_id, "record": record}
    return notice(f"{thing.value}{what}", content)


class WorldsSource:
    """The newest snapshot of the worlds of a state folder, for all readers."""

    def __init__(self, state: Path, environ: Mapping[str, str]) -> None:
        self._state = state
        self._environ = environ
        self._journals = KnownJournals(RunIndex(state).overview)
        self._now: Snapshot = {}
        self._error: AttractorError | None = None
        self._has_new = asyncio.Event()
        self._work = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether an error has ended the reading."""
        return self._work.done()

    async def stop(self) -> None:
        """Stop reading."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    async def follow(
        self, reaches: Callable[[str], bool], types: Collection[str], describe: DescribeError
    ) -> AsyncGenerator[Sequence[StreamEvent]]:
        """Yield all that there is, and then what changes; `types` selects events (default: all)."""
        known: Snapshot = {}
        while self._error is None:
            has_new, now = self._has_new, self._now
            found = changes(known, now, reaches)
            if told := [one for one in found if not types or one.type in types]:
                yield told
            known = now
            await has_new.wait()
        yield [notice("problem", describe(self._error)), notice("end", {})]

    async def _run(self) -> None:
        try:
            while True:
                now = await asyncio.to_thread(
                    read_worlds, self._state, self._environ, self._journals
                )
                if now != self._now:
                    self._now = now
                    self._tell()
                await asyncio.sleep(POLL_S)
        except AttractorError as error:
            self._error = error
        except OSError as cause:
            self._error = file_error("read", self._state, cause)
        self._tell()

    def _tell(self) -> None:
        has_new, self._has_new = self._has_new, asyncio.Event()
        has_new.set()
