"""The transcript of an agent's stage: words, tool calls, edits as changed lines, warnings."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.call_text import EDITS, describe_call, first_line
from attractor.base.dataclasses import dataclass
from attractor.base.files import open_regular
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject, parse_object

TRANSCRIPT = "transcript.jsonl"
"""The file in a stage's folder with the events of the agent's session."""


class EntryKind(StrEnum):
    """The kinds of entries that people see; other entries are internal."""

    INPUT = "input"
    STEERING = "steering"
    TEXT = "text"
    CALL = "call"
    OUTPUT = "output"
    FAILURE = "failure"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class TranscriptEntry:
    """An entry of a transcript, for people.

    An entry without a title has only a body. With `is_edit`, added lines of the body begin with
    `+`, and removed lines with `-`. `subagent` is empty for the agent of the stage.
    """

    kind: EntryKind
    title: str = ""
    body: Sequence[str] = ()
    is_edit: bool = False
    time: datetime | None = None
    subagent: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the entry."""
        return {
            "kind": self.kind.value,
            "time": self.time.isoformat() if self.time else "",
            "subagent": self.subagent,
            "title": self.title,
            "body": list(self.body),
            "is_edit": self.is_edit,
        }


def read_entry(record: JsonObject) -> TranscriptEntry | None:
    """Return an entry of a transcript for people; None for an internal entry."""
    describe = _ENTRIES.get(str(record.get("kind")))
    entry = describe(record) if describe else None
    if entry is None or not (entry.title or any(entry.body)):
        return None
    subagent = str(record.get("session")).rpartition("@")[2].partition("/")[2]
    return replace(entry, time=_time(record), subagent=subagent)


@dataclass(frozen=True)
class TranscriptPage:
    """Some entries of a transcript; the next page begins at the offset `end`."""

    entries: Sequence[TranscriptEntry]
    end: int
    is_last: bool


def read_page(folder: Path, *, offset: int, most: int) -> TranscriptPage:
    """Return the entries of a stage folder's transcript from an offset of a page on."""
    entries: list[TranscriptEntry] = []
    path = folder / TRANSCRIPT
    for line in read_lines(path, offset=offset) if path.is_file() else ():
        if len(entries) == most:
            return TranscriptPage(entries, offset, is_last=False)
        record, offset = parse_object(line.content), line.end
        if record is not None and (entry := read_entry(record)):
            entries.append(entry)
    return TranscriptPage(entries, offset, is_last=True)


def read_last(folder: Path, most: int) -> Sequence[TranscriptEntry]:
    """Return the last entries of a stage folder's transcript, if they are not too long."""
    try:
        with open_regular(folder / TRANSCRIPT) as file:
            begin = max(0, os.fstat(file.fileno()).st_size - _LONGEST_END)
            file.seek(begin)
            lines = file.read().split(b"\n")[1 if begin else 0 : -1]
    except OSError:
        return ()
    records = filter(None, map(parse_object, lines[-_MOST_RECORDS:]))
    return list(filter(None, map(read_entry, records)))[-most:]


_LONGEST_END = 1 << 16
_MOST_RECORDS = 200


class TranscriptReader:
    """Reads the new entries of a transcript."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TRANSCRIPT
        self._offset = self._inode = 0

    def more(self) -> Iterator[JsonObject]:
        """Yield the new complete entries; an entry that is no JSON object is skipped."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode:
                    # A retry writes a new file.
                    self._inode, self._offset = status.st_ino, 0
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            record = parse_object(line)
            if record is not None:
                yield record


def _time(record: JsonObject) -> datetime | None:
    try:
        return datetime.fromisoformat(str(record.get("time")))
    except ValueError:
        return None


def _said(record: JsonObject) -> TranscriptEntry:
    lines = str(record.get("text") or "").strip().splitlines()
    return TranscriptEntry(EntryKind.TEXT, body=lines)


def _called(record: JsonObject) -> TranscriptEntry:
    name = str(record.get("tool_name"))
    title, *body = describe_call(name, record.get("arguments"))
    return TranscriptEntry(EntryKind.CALL, title, body, is_edit=name in EDITS)


def _returned(record: JsonObject) -> TranscriptEntry | None:
    """Return an error, or the output of a command; None for results that the agent reads."""
    name, error = str(record.get("tool_name")), record.get("error")
    if error:
        title = f"{name} failed: {first_line(str(error))}"
        return TranscriptEntry(EntryKind.FAILURE, title, str(error).splitlines()[1:])
    if name != "shell":
        return None
    lines = str(record.get("output") or "").rstrip().splitlines()
    return TranscriptEntry(EntryKind.OUTPUT, body=lines)


def _noted(kind: EntryKind, title: str, key: str) -> Callable[[JsonObject], TranscriptEntry]:
    def describe(record: JsonObject) -> TranscriptEntry:
        first, *more = str(record.get(key) or "").splitlines() or [""]
        return TranscriptEntry(kind, f"{title}: {first}".removesuffix(": "), more)

    return describe


_hook = _noted(EntryKind.WARNING, "hook failed", "fault")
_compacted = "old turns were replaced by a summary"


def _limited(record: JsonObject) -> TranscriptEntry:
    title = "the limit of turns or rounds is reached"
    match record.get("waiting"):
        case int(waiting):
            title += f"; waiting for the next input: {number_of(waiting, 'follow-up')}"
        case _:
            pass
    return TranscriptEntry(EntryKind.WARNING, title)


_ENTRIES: Mapping[str, Callable[[JsonObject], TranscriptEntry | None]] = {
    "USER_INPUT": _noted(EntryKind.INPUT, "input", "content"),
    "STEERING_INJECTED": _noted(EntryKind.STEERING, "message to the agent", "content"),
    "ASSISTANT_TEXT_END": _said,
    "TOOL_CALL_START": _called,
    "TOOL_CALL_END": _returned,
    "TOOL_HOOK": lambda record: _hook(record) if record.get("fault") else None,
    "LOOP_DETECTION": _noted(EntryKind.WARNING, "warning", "message"),
    "COMPACTION": _noted(EntryKind.WARNING, _compacted, "summary"),
    "WARNING": _noted(EntryKind.WARNING, "warning", "message"),
    "ERROR": _noted(EntryKind.ERROR, "error", "message"),
    "TURN_LIMIT": _limited,
}
