"""Restores conversations that were lost with a process, from the files of stages."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from attractor.base.errors import FileError
from attractor.base.events import Event
from attractor.base.hash_chain import ChainHead
from attractor.base.json import content_hash
from attractor.base.patterns import late_pattern
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.events import SESSION_SAVED, CheckpointSaved, StageStarted, read_event
from attractor.engine.journal.reader import events_of, find_position
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.folder import (
    LARGEST_FILE,
    SESSION,
    folder_of_attempt,
    interrupted_folder,
    last_interrupted,
)
from attractor.engine.state.attempts import MAIN, stage_id
from attractor.engine.storage.json_files import read_untrusted

_STAGE_ID = late_pattern(r"(?P<node>.*)@(?P<visit>[0-9]+)\.(?P<attempt>[0-9]+)", re.DOTALL)
_LARGEST = 2 * LARGEST_FILE

ReadSaved = Callable[[str, str], bytes]
"""Type of a function that returns a file of an attempt, by the id of the stage and the file name.
"""

Rebuild = Callable[[str, ReadSaved], object]
"""Type of a function that rebuilds the conversation of an attempt, or raises ConversationLost."""


@runtime_checkable
class Rebuilds(Protocol):
    """A backend that can rebuild conversations from the files of stages."""

    def rebuild(self, last: str, read: ReadSaved) -> object:
        """Return the conversation that an attempt saved, or raise ConversationLost."""
        ...


def rebuilder_of(backend: object) -> Rebuild | None:
    """Return the function of a backend that rebuilds conversations, or None."""
    return backend.rebuild if isinstance(backend, Rebuilds) else None


class SavedConversations:
    """Restores the conversations of a run, each from the last stage of its thread in the journal.

    A walk restores each conversation only once, because later the process may have a newer
    conversation than the files. `earlier` are the conversations of another run that this run
    continues. Those of another run are restored as they were at a point of its journal, `until`:
    a stage that had begun counts, even if it did not end.
    """

    def __init__(
        self,
        directory: RunDirectory,
        rebuild: Rebuild | None,
        *,
        earlier: "SavedConversations | None" = None,
        until: ChainHead | None = None,
    ) -> None:
        self._directory = directory
        self._rebuild = rebuild
        self._earlier = earlier
        self._until = until
        self._last = dict[tuple[str, str], str]()
        self._starts = Counter[str]()
        self._started_later = set[str]()
        self._hashes = dict[str, str]()
        kinds = ("CheckpointSaved", SESSION_SAVED, *(["StageStarted"] if until else []))
        for event in events_of(directory.events, kinds):
            self._note(event, is_later=until is not None and event.seq > until.seq)

    @property
    def continues_run(self) -> bool:
        """Whether the run continues the conversations of another run."""
        return self._earlier is not None

    def take(self, thread: str, walks: Sequence[str]) -> object:
        """Return the conversation of a thread, by the keys of the walk and of its parent walks."""
        own = self._last.pop((walks[0], thread), "")
        outer = (self._last.get((walk, thread), "") for walk in walks[1:])
        last = own or next(filter(None, outer), "")
        if not last and self._earlier:
            return self._earlier.take(thread, walks)
        self._require_unchanged()
        if not last:
            raise ConversationLost("the journal of the run contains no stage of the thread")
        if self._rebuild is None:
            raise ConversationLost("the backend of this run saves no conversations")
        return self._rebuild(last, self._read)

    def _require_unchanged(self) -> None:
        until, journal = self._until, self._directory.events
        if until and find_position(journal, until.seq).before != until:
            raise ConversationLost(f"event {until.seq} is missing in {journal}, or was changed")

    def _note(self, event: Event, *, is_later: bool) -> None:
        if event.type == SESSION_SAVED:
            if not is_later:
                self._hashes.update(_saved_session(event))
            return
        match read_event(event):
            case StageStarted(thread=thread) if thread:
                last = stage_id(event.node or "", event.visit or 1, event.attempt or 1)
                if is_later:
                    self._started_later.add(last)
                    return
                self._starts[last] += 1
                self._last[event.branch or MAIN, thread] = last
            case CheckpointSaved() as saved if (step := saved.read_step()) and step.visit.thread:
                visit = step.visit
                if not is_later:
                    last = stage_id(visit.node, visit.number, visit.attempts)
                    self._last[event.branch or MAIN, visit.thread] = last
            case _:
                pass

    def _read(self, stage: str, name: str) -> bytes:
        place, visit, attempt = _place_of(self._directory, stage)
        if stage in self._started_later:
            # A resume moved the files of the interrupted stage.
            folder = interrupted_folder(place, visit, attempt, self._starts[stage])
        else:
            folder = folder_of_attempt(place, visit, attempt)
        if folder is None and self._until:
            # The stage did not end, so that it has no status.json.
            folder = place
        return _read_file(folder, stage, name, self._hashes)


def rebuild_parked(rebuild: Rebuild, directory: RunDirectory, stage: str) -> object:
    """Return the conversation of an attempt that a person was asked in, before it is repeated."""

    hashes = dict[str, str]()
    for event in events_of(directory.events, [SESSION_SAVED]):
        hashes.update(_saved_session(event))

    def read(other: str, name: str) -> bytes:
        place, visit, attempt = _place_of(directory, other)
        find = last_interrupted if other == stage else folder_of_attempt
        return _read_file(find(place, visit, attempt), other, name, hashes)

    return rebuild(stage, read)


def _saved_session(event: Event) -> dict[str, str]:
    """Return the hash of the saved file, by the id of the stage."""
    stage = stage_id(event.node or "", event.visit or 1, event.attempt or 1)
    return {stage: str(event.data.get("hash"))}


def _place_of(directory: RunDirectory, stage: str) -> tuple[Path, int, int]:
    match = _STAGE_ID.fullmatch(stage)
    if not match:
        raise ConversationLost(f"invalid stage id {stage!r}")
    return directory.stage(match["node"]), int(match["visit"]), int(match["attempt"])


def _read_file(folder: Path | None, stage: str, name: str, hashes: Mapping[str, str]) -> bytes:
    """Return a file of an attempt; a session must be as it was saved, if its hash is known."""
    if folder is None:
        raise ConversationLost(f"the folder of {stage} is missing")
    try:
        content = read_untrusted(folder / name, largest=_LARGEST)
    except FileError as trouble:
        raise ConversationLost(trouble.message) from trouble
    if name == SESSION and stage in hashes and hashes[stage] != content_hash(content):
        raise ConversationLost(f"{folder / name} was changed after it was saved")
    return content
