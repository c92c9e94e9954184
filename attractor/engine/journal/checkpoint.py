"""`checkpoint.json`: the state of a run at one line of the journal.

With a checkpoint, opening a run only reads the later lines of the journal.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import ChainBroken, FileError, NotCanonical, VerificationError
from attractor.base.events import Event
from attractor.base.files import file_error, read_regular
from attractor.base.hash_chain import GENESIS, ChainHead, parse_intact, require_intact, verify
from attractor.base.journal import JournalLine, read_lines
from attractor.base.json import (
    Json,
    JsonObject,
    canonical_json,
    canonical_members,
    canonical_object,
    content_hash,
    parse_json,
)
from attractor.engine.errors import CheckpointBroken, OtherVersion, RecordBroken
from attractor.engine.journal.reducer import fold
from attractor.engine.state.run_state import RunState, state_from_record, state_to_record
from attractor.engine.state.walks import LONG_AGO, stop_walks
from attractor.engine.storage.json_files import Fields

_POSITION = "position"


@dataclass(frozen=True)
class Position:
    """The offset of a line in the journal, and the head of the hash chain before that line."""

    offset: int
    before: ChainHead


@dataclass(frozen=True)
class RestoredState:
    """The state of a run and the head of the hash chain, read from the journal and the checkpoint.

    `last_activity` is the time of the last event of a stage; an interrupted process counts as ended
    at this time. `last` is the offset of the last line, and `mark` that of the checkpoint's file.
    """

    state: RunState
    head: ChainHead
    checkpoint_size: int = 0
    checkpoint_offset: int = 0
    last_activity: datetime = LONG_AGO
    last: int = 0
    mark: str = ""

    @property
    def at_rest(self) -> RunState:
        """The state without a running process: the time used by stages no longer grows."""
        return changed(self.state, walks=stop_walks(self.state.walks, self.last_activity))

    def to_record(self) -> dict[str, Json]:
        """Return the record from which the journal can be read on."""
        return {
            "state": state_to_record(self.state),
            "seq": self.head.seq,
            "hash": self.head.hash,
            "last": self.last,
            "mark": self.mark,
            "last_activity": self.last_activity.isoformat(),
        }

    @classmethod
    def from_record(cls, fields: Fields) -> "RestoredState":
        """Read a state from its record."""
        return cls(
            state_from_record(fields.inner("state")),
            ChainHead(fields.number("seq"), fields.text("hash")),
            last=fields.number("last"),
            mark=fields.text("mark"),
            last_activity=fields.time("last_activity"),
        )


@dataclass(frozen=True)
class CheckpointText:
    """The text of a checkpoint, and the hash of the text, which the journal contains."""

    text: str
    digest: str


def render_checkpoint(state: JsonObject, now: datetime, at: Position) -> CheckpointText:
    """Return the checkpoint of a state.

    The journal can replace a lost checkpoint, so the file is not synced to the disk.
    """
    return _write({"timestamp": now.isoformat(), **state}, at)


def _write(content: JsonObject, at: Position) -> CheckpointText:
    before, behind = canonical_members(content, _POSITION, is_plain=True)
    position = canonical_json(
        {"seq": at.before.seq + 1, "offset": at.offset, "prev": at.before.hash}
    )
    text = canonical_object(before, f'"{_POSITION}":{position}', behind)
    return CheckpointText(text, content_hash(canonical_object(before, behind).encode()))


def open_journal(journal: Path, checkpoint: Path) -> RestoredState:
    """Verify a journal from the line of its checkpoint on, and return the restored state."""
    try:
        return _open(journal, checkpoint)
    except VerificationError as fault:
        # Verify from the start: the first invalid line gives the better message.
        verify_journal(journal)
        if isinstance(fault, ChainBroken | CheckpointBroken):
            raise
        # Nobody changed the record, because the chain is intact.
        message = f"another version of attractor wrote {journal}: {fault.message}"
        raise OtherVersion(message) from fault


def has_last(journal: Path, before: RestoredState) -> bool:
    """Return whether a journal still has the last line that was read."""
    try:
        last = next(read_lines(journal, offset=before.last), None)
    except FileError:
        return False
    parsed = parse_intact(last.content) if last else None
    return parsed is not None and parsed.head == before.head


def read_on(journal: Path, before: RestoredState) -> RestoredState:
    """Verify the lines after the last one that was read, and return the state after them."""
    _, *lines = read_lines(journal, offset=before.last)
    head = _verified(journal, lines, Position(before.last, before.head))
    state, last_activity = _folded(before.state, lines, before.last_activity)
    last = lines[-1].offset if lines else before.last
    return changed(before, state=state, head=head, last_activity=last_activity, last=last)


def verify_journal(journal: Path, *, heads: Collection[str] = ()) -> frozenset[str]:
    """Verify a journal from its first line; return the hashes in `heads` that no line has."""
    missing = set(heads)
    if journal.exists():
        require_intact(verify(_passing(journal, missing)), str(journal))
    return frozenset(missing)


def _passing(journal: Path, missing: set[str]) -> Iterator[bytes]:
    """Yield the lines of a journal, and remove the hash of each verified line from `missing`."""
    for line in read_lines(journal):
        yield line.content
        # `verify` has checked a line when it requests the next one. Most lines are not parsed.
        if any(head.encode() in line.content for head in missing):
            missing.discard(_event(line).hash)


def _open(journal: Path, checkpoint: Path) -> RestoredState:
    text = _read(checkpoint)
    if text is None:
        return _replay(journal)
    content, at, own = _take_apart(text, checkpoint)
    lines = _lines_from(journal, at.offset, checkpoint)
    head = _verified(journal, lines, at)
    if not lines or _event(lines[0]).data.get("checkpoint") != own:
        raise CheckpointBroken(f"{checkpoint} and {journal.name} do not match")
    try:
        state = state_from_record(Fields(content, str(checkpoint)))
    except RecordBroken:
        # Its hash is in the journal, so another version wrote it.
        return _replay(journal)
    state, last_activity = _folded(state, lines[1:], _event(lines[0]).time)
    return RestoredState(state, head, len(text), at.offset, last_activity, lines[-1].offset)


def _replay(journal: Path) -> RestoredState:
    lines = list(read_lines(journal)) if journal.exists() else []
    head = _verified(journal, lines, Position(0, GENESIS))
    state, last_activity = _folded(RunState(), lines, LONG_AGO)
    last = lines[-1].offset if lines else 0
    return RestoredState(state, head, last_activity=last_activity, last=last)


def _verified(journal: Path, lines: Sequence[JournalLine], at: Position) -> ChainHead:
    verdict = verify((line.content for line in lines), start=at.before)
    require_intact(verdict, f"{journal} from byte {at.offset}")
    return verdict.head


def _folded(
    state: RunState, lines: Sequence[JournalLine], last_activity: datetime
) -> tuple[RunState, datetime]:
    """Return the state after some more lines, and the time of the last stage event."""
    for line in lines:
        event = _event(line)
        state = fold(state, event)
        last_activity = event.time if event.node else last_activity
    return state, last_activity


def _event(line: JournalLine) -> Event:
    record = parse_json(line.content)
    if not isinstance(record, dict):
        raise RecordBroken(f"invalid event at byte {line.offset} of the journal")
    return Event.from_record(record)


def _lines_from(journal: Path, offset: int, checkpoint: Path) -> Sequence[JournalLine]:
    if not journal.exists() or journal.stat().st_size <= offset:
        raise CheckpointBroken(
            f"{journal} has lost lines: {checkpoint.name} refers to byte {offset}",
            hint="restore the journal from a copy: lost lines cannot be recovered",
        )
    try:
        return list(read_lines(journal, offset=offset))
    except FileError as fault:
        if fault.cause is not None:
            raise
        raise CheckpointBroken(f"{journal} and {checkpoint.name} do not match: {fault}") from fault


def _read(checkpoint: Path) -> str | None:
    """Return the text of a checkpoint; None if the file is missing or has lost its content."""
    try:
        content = read_regular(checkpoint)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", checkpoint, cause) from cause
    try:
        return content.decode() if content.strip(b"\0") else None
    except UnicodeDecodeError as cause:
        raise CheckpointBroken(f"{checkpoint} is not UTF-8") from cause


def _take_apart(text: str, checkpoint: Path) -> tuple[dict[str, Json], Position, str]:
    """Return the content of a checkpoint, the position in the journal, and the checkpoint hash."""
    try:
        record = parse_json(text)
    except NotCanonical as cause:
        raise CheckpointBroken(f"{checkpoint} is {cause}") from cause
    match record:
        case {"position": {"seq": int(seq), "offset": int(offset), "prev": str(prev)}, **content}:
            pass
        case _:
            raise CheckpointBroken(f"{checkpoint} has no position")
    at = Position(offset, ChainHead(seq - 1, prev))
    drawn = _write(content, at)
    if drawn.text != text:
        raise CheckpointBroken(f"{checkpoint} has an invalid format")
    return content, at, drawn.digest
