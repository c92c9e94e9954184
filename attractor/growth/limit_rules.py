"""Limits of the records of an entity; it needs the standard library alone, as apps get a copy.

A record without a value in a field of a limit is not limited by it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """A limit of the values of fields, or of how many records have the same values."""

    id: str
    label: str
    rule: str
    """One of `at_most`, `unique`, `between`, `not_before` and `one_of`."""

    fields: tuple[str, ...]
    values: tuple[Any, ...] = ()
    """The largest number of records, or the values to compare with; none: today."""

    other: str = ""
    """The field before whose value no other one may be."""

    @property
    def counts(self) -> bool:
        """Whether the limit is about how many records there are."""
        return self.rule in ("at_most", "unique")

    @property
    def compared(self) -> tuple[str, ...]:
        """The fields on which it depends whether a record breaks the limit."""
        return (*self.fields, self.other) if self.other else self.fields

    def is_touched(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
        """Return whether a record is new, or changed in a field of the limit."""
        return before is None or any(before.get(one) != after.get(one) for one in self.compared)


def breaking(limit: Limit, records: Iterable[Mapping[str, Any]], today: str) -> Collection[str]:
    """Return the ids of the records that break a limit."""
    full = [one for one in records if all(one.get(key) not in (None, "") for key in limit.fields)]
    if not limit.counts:
        return {one["id"] for one in full if not _holds(limit, one, today)}
    groups: dict[tuple[Any, ...], list[str]] = {}
    for one in full:
        groups.setdefault(tuple(one[key] for key in limit.fields), []).append(one["id"])
    most = limit.values[0] if limit.values else 1
    return {id_ for ids in groups.values() if len(ids) > most for id_ in ids}


def _holds(limit: Limit, record: Mapping[str, Any], today: str) -> bool:
    if limit.rule == "one_of":
        return all(record[key] in limit.values for key in limit.fields)
    bounds = (record.get(limit.other),) if limit.other else limit.values or (today,)
    if bounds[0] in (None, ""):
        return True
    try:
        return all(
            bounds[0] <= record[key] and (len(bounds) < 2 or record[key] <= bounds[1])
            for key in limit.fields
        )
    except TypeError:
        # A value that was stored before its field got another type.
        return False
