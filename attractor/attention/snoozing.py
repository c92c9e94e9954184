"""Rows that a person does not want to see for a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.attention.rows import AttentionRow
from attractor.base.errors import VerificationError
from attractor.base.files import write_whole
from attractor.base.json import canonical_json
from attractor.base.locks import FileLock
from attractor.base.records import read_object

_SNOOZED, _LOCK = "snoozed.json", "snoozed.lock"
_PATIENCE_S = 10.0


def read_snoozed(state: Path, now: datetime) -> Mapping[str, str]:
    """Return the times until which rows are snoozed, by the ids of the rows."""
    file = state / _SNOOZED
    if not file.exists():
        return {}
    found = read_object(file, VerificationError)
    return {id_: str(until) for id_, until in found.items() if str(until) > now.isoformat()}


def snooze(state: Path, row: AttentionRow, until: datetime, now: datetime) -> None:
    """Leave a row out until a time; of a common cause, the tasks that it has now."""
    ids = dict.fromkeys((one.id for one in row.rows or [row]), until.isoformat())
    _change(state, now, ids, ())


def wake(state: Path, rows: Sequence[AttentionRow], now: datetime) -> None:
    """Show rows again that were left out."""
    _change(state, now, {}, [one.id for row in rows for one in row.rows or [row]])


def _change(state: Path, now: datetime, new: Mapping[str, str], gone: Sequence[str]) -> None:
    """Store further rows, and forget some, and those whose time is over."""
    with FileLock(state / _LOCK).acquire(wait=_PATIENCE_S):
        kept = {id_: one for id_, one in read_snoozed(state, now).items() if id_ not in gone}
        write_whole(state / _SNOOZED, canonical_json({**kept, **new}))
