"""Restores the conversations that ended with their process, from the files of their stages."""

import re
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from attractor.base.errors import FileError
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_json
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.events import CheckpointSaved
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.folder import LARGEST_FILE, folder_of_attempt
from attractor.engine.state.identifiers import MAIN, stage_id
from attractor.engine.storage.json_files import Fields, read_foreign

_STAGE = re.compile(r"(?P<node>.*)@(?P<visit>[0-9]+)\.(?P<attempt>[0-9]+)", re.DOTALL)


_SAVED = CheckpointSaved.__name__


# Every line is looked at, and few of them are read.
_MARK = _SAVED.encode()


_LARGEST = 2 * LARGEST_FILE


ReadKept = Callable[[str, str], bytes]
"""Returns a file that an attempt left, by what that goes by and the file's name."""


Rebuild = Callable[[str, ReadKept], object]
"""Makes the conversation again that an attempt left; ConversationLost is raised if it cannot."""


def rebuild_nothing(last: str, read: ReadKept) -> object:
    """Refuse: what does the stages keeps no conversations."""
    raise ConversationLost("what does the stages of this run keeps none")


@runtime_checkable
class Rebuilds(Protocol):
    """A backend that can take up again what its stages left on the disk."""

    def rebuild(self, last: str, read: ReadKept) -> object:
        """Return the conversation that an attempt left; ConversationLost is raised if it cannot."""
        ...


def rebuilder_of(backend: object) -> Rebuild:
    """Return how conversations of a backend are made again."""
    return backend.rebuild if isinstance(backend, Rebuilds) else rebuild_nothing


class KeptConversations:
    """Takes the conversations of a run up again, each where the journal says it was left.

    Each walk takes one up once: from then on it is in the hands of this process, and what the disk
    has of it may be older.
    """

    def __init__(self, directory: RunDirectory, rebuild: Rebuild) -> None:
        self._directory = directory
        self._rebuild = rebuild
        self._last = dict[tuple[str, str], str]()
        for line in read_lines(directory.events) if directory.events.exists() else ():
            if _MARK in line.content:
                self._note(Event.from_record(Fields(parse_json(line.content), "event").all()))

    def take(self, thread: str, walks: Sequence[str]) -> object:
        """Return what was said in a thread; `walks` are the key of the one, and of those around."""
        own = self._last.pop((walks[0], thread), "")
        around = (self._last.get((walk, thread), "") for walk in walks[1:])
        last = own or next(filter(None, around), "")
        if not last:
            raise ConversationLost("the journal of this run names no stage that left it")
        return self._rebuild(last, self._read)

    def _note(self, event: Event) -> None:
        data = Fields(event.data, f"event {event.seq}")
        if event.type != _SAVED or not data.has("step"):
            return
        visit = data.inner("step").inner("visit")
        if visit.has("thread") and (thread := visit.text("thread")):
            named = stage_id(visit.text("node"), visit.number("number"), visit.number("attempts"))
            self._last[event.branch or MAIN, thread] = named

    def _read(self, stage: str, name: str) -> bytes:
        found = _STAGE.fullmatch(stage)
        if not found:
            raise ConversationLost(f"there is no stage {stage!r}")
        place = self._directory.stage(found["node"])
        folder = folder_of_attempt(place, int(found["visit"]), int(found["attempt"]))
        if folder is None:
            raise ConversationLost(f"the folder of {stage} is not there any more")
        try:
            return read_foreign(folder / name, largest=_LARGEST)
        except FileError as trouble:
            raise ConversationLost(trouble.message) from trouble
