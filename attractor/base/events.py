"""The event: the common record of the journal and of all readers of the journal."""

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import VerificationError
from attractor.base.json import Json, JsonObject
from attractor.base.patterns import late_pattern

_TIME = late_pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_REQUIRED = ("time", "run_id", "type", "data")
_OPTIONAL: JsonObject = {
    "seq": 0,
    "node": None,
    "visit": None,
    "attempt": None,
    "branch": None,
    "prev": "",
    "hash": "",
}
_Absent = TypeVar("_Absent")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event; `seq`, `prev` and `hash` are empty until a chain seals it."""

    seq: int = 0
    time: datetime
    run_id: str
    type: str
    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    branch: str | None = None
    data: JsonObject = field(default_factory=dict[str, Json], hash=False)
    prev: str = ""
    hash: str = ""

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            _refuse(self.seq, "time", "has no time zone")

    def sealed(self, seq: int, *, prev: str, own: str) -> "Event":
        """Return the event with its place in a hash chain."""
        return changed(self, seq=seq, prev=prev, hash=own)

    def to_record(self) -> JsonObject:
        """Return the JSON record of the event, without empty fields."""
        utc = self.time if self.time.tzinfo is UTC else self.time.astimezone(UTC)
        record: dict[str, Json] = {
            "time": f"{utc.isoformat(timespec='microseconds').removesuffix('+00:00')}Z",
            "run_id": self.run_id,
            "type": self.type,
            "data": dict(self.data),
        }
        # Without a loop, which is slower: this runs for each event.
        if self.node is not None:
            record["node"] = self.node
        if self.visit is not None:
            record["visit"] = self.visit
        if self.attempt is not None:
            record["attempt"] = self.attempt
        if self.branch is not None:
            record["branch"] = self.branch
        if self.hash or self.seq:
            record |= {"seq": self.seq, "prev": self.prev, "hash": self.hash}
        return record

    @classmethod
    def from_record(cls, record: JsonObject) -> "Event":
        """Build an event from its record, or raise with the invalid field."""
        fields = _Fields(record)
        return cls(
            seq=fields.number("seq", 0),
            time=fields.time("time"),
            run_id=fields.text("run_id", ""),
            type=fields.text("type", ""),
            node=fields.text("node", None),
            visit=fields.number("visit", None),
            attempt=fields.number("attempt", None),
            branch=fields.text("branch", None),
            data=fields.members("data"),
            prev=fields.text("prev", ""),
            hash=fields.text("hash", ""),
        )


class _Fields:
    """Reads the fields of a record, each of one type."""

    def __init__(self, record: JsonObject) -> None:
        self._record = record
        self._seq = record.get("seq")
        for name in _REQUIRED:
            if name not in record:
                _refuse(self._seq, name, "is missing")
        for name in record:
            if name not in _REQUIRED and name not in _OPTIONAL:
                _refuse(self._seq, name, "is unknown")

    def number(self, name: str, absent: _Absent) -> int | _Absent:
        if name not in self._record:
            return absent
        value = self._record[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self._refuse(name, "a whole number from 0")
        return value

    def text(self, name: str, absent: _Absent) -> str | _Absent:
        if name not in self._record:
            return absent
        value = self._record[name]
        if not isinstance(value, str):
            self._refuse(name, "text")
        return value

    def members(self, name: str) -> JsonObject:
        value = self._record[name]
        if not isinstance(value, Mapping):
            self._refuse(name, "an object")
        return value

    def time(self, name: str) -> datetime:
        text = self.text(name, "")
        if not _TIME.fullmatch(text):
            self._refuse(name, "a time in UTC, such as 2026-01-31T09:30:00.000000Z")
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise _fault(self._seq, name, f"is an invalid date: {error}") from error

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        _refuse(self._seq, name, f"must be {wanted}, not {_short(self._record[name])}")


def _refuse(seq: Json, name: str, fault: str) -> NoReturn:
    raise _fault(seq, name, fault)


def _fault(seq: Json, name: str, fault: str) -> VerificationError:
    return VerificationError(
        f"event {_short(seq) if seq else 'without number'}: field {name!r} {fault}",
        hint="the record was changed, truncated, or written by another version",
    )


def _short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
