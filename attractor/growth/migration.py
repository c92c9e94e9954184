"""Recorded state of an app, and its deterministic changes (ruling G11).

The state is canonical JSON lines, one file an entity. `up` gives a new state and a residue, `down`
takes both. The residue keeps values without a place in the new shape, so that
`down(up(state)) == state` byte for byte. Records are keyed by the ids of entities and fields, so
renaming changes no state. No model writes a migration: the type of the morph decides it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError
from attractor.base.files import file_error, read_text, write_whole
from attractor.base.json import Json, NotCanonical, canonical_json, parse_json
from attractor.growth.conversion import convert, fits
from attractor.growth.errors import InvalidState

Record = Mapping[str, Json]
State = Mapping[str, tuple[Record, ...]]
"""The records of each entity, by its id."""

KEY = "id"
"""The key of every record, which no morph changes."""
_NAMED = 5


def state_text(records: tuple[Record, ...]) -> str:
    """Return the records of an entity as canonical JSON lines."""
    return "".join(f"{canonical_json(dict(record))}\n" for record in records)


def parse_records(text: str, *, place: str) -> tuple[Record, ...]:
    """Read canonical JSON lines, or raise InvalidState."""
    records: list[Record] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line and number == text.count("\n") + 1:
            break
        try:
            record = parse_json(line)
        except NotCanonical as cause:
            raise InvalidState(f"{place}:{number}: {cause.message}") from cause
        if not isinstance(record, dict) or not isinstance(record.get(KEY), str):
            raise InvalidState(f"{place}:{number}: a record is an object with a text {KEY!r}")
        if canonical_json(record) != line:
            raise InvalidState(f"{place}:{number}: not canonical", hint="sort the keys")
        records.append(record)
    return tuple(records)


def read_state(folder: Path) -> State:
    """Read the state of an app from `<entity>.jsonl` files."""
    state: dict[str, tuple[Record, ...]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        text = read_text(file, InvalidState)
        state[file.stem] = parse_records(text, place=file.name)
    return state


def write_state(state: State, folder: Path) -> None:
    """Write the state of an app into an empty folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileError(f"{folder} is not empty")
    except OSError as cause:
        raise file_error("write", folder, cause) from cause
    for entity, records in state.items():
        write_whole(folder / f"{entity}.jsonl", state_text(records))


Residue = Json


class Migrated(NamedTuple):
    """A state in its new shape, and the values without a place in it."""

    state: State
    residue: Residue


class Restored(NamedTuple):
    """A state in its old shape, and the records that are not exactly as they were written."""

    state: State
    defaulted: Sequence[str]
    """`entity/id` of records written since, which have declared defaults or lost a value."""


@dataclass(frozen=True)
class Misfit:
    """A record that does not fit its new shape, named without its values.

    The morph decides what happens: something else stands `instead` of the value, or the plan is not
    deployed.
    """

    record: str
    fault: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.record}: {self.fault}" + (f" ({self.instead})" if self.instead else "")


def unfit_records(records: Sequence[str]) -> str:
    """Return a sentence about records that do not fit; it names the first ones."""
    more = len(records) - _NAMED
    named = "; ".join(records[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
    verb = "record does" if len(records) == 1 else "records do"
    return f"{len(records)} {verb} not fit the plan: {named}"


class Migration(Protocol):
    """The change of state of one morph."""

    @property
    def is_reversible(self) -> bool:
        """Whether `down` restores every value."""
        ...

    def describe(self) -> str:
        """Return the change as a sentence."""
        ...

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return the records of a state that do not fit the new shape."""
        ...

    def up(self, state: State) -> Migrated:
        """Return the state in its new shape."""
        ...

    def down(self, state: State, residue: Residue) -> Restored:
        """Return the state in its old shape."""
        ...


@dataclass(frozen=True)
class FieldAdded:
    """Gives every record of an entity a new field with a default."""

    entity: str
    field: str
    default: Json = None
    is_reversible: bool = True
    type: str = "text"
    keys: Sequence[str] = ()
    """The key fields of the entity, if the change may take the ids of records from them."""

    def describe(self) -> str:
        """Return the change as a sentence."""
        return f"{self.entity}: new field {self.field}"

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return the records whose ids differ from their keys; all, if the default does not fit."""
        if fits(self.default, self.type):
            return _misnamed(self.up(state).state, self.entity, self.keys)
        fault = f"{self.field} is not of type {self.type}"
        return [Misfit(one, fault) for one in _named(self.entity, state.get(self.entity, ()))]

    def up(self, state: State) -> Migrated:
        """Add the default; a value that stood there unasked goes to the residue."""
        before = _values(state, self.entity, self.field)
        new = _each(state, self.entity, lambda one: {**one, self.field: self.default})
        return Migrated(new, before)

    def down(self, state: State, residue: Residue) -> Restored:
        """Remove the field; records with a value written since are listed."""
        kept = _object(residue)
        new = _each(state, self.entity, lambda one: _put(one, self.field, kept))
        written = [one for one in state.get(self.entity, ()) if one.get(self.field) != self.default]
        return Restored(new, _named(self.entity, written))


@dataclass(frozen=True)
class FieldDropped:
    """Removes a field of all records; erasure keeps no residue."""

    entity: str
    field: str
    default: Json = None
    is_reversible: bool = True
    keys: Sequence[str] = ()
    """The other key fields of the entity, if the dropped one is a key."""

    def describe(self) -> str:
        """Return the change as a sentence."""
        erased = "" if self.is_reversible else ", values are erased for good"
        return f"{self.entity}: without field {self.field}{erased}"

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return the records whose ids differ from their keys."""
        return _misnamed(state, self.entity, self.keys)

    def up(self, state: State) -> Migrated:
        """Remove the field."""
        before = _values(state, self.entity, self.field) if self.is_reversible else {}
        known: list[Json] = [one[KEY] for one in state.get(self.entity, ())]
        new = _each(state, self.entity, lambda one: _put(one, self.field, {}))
        return Migrated(new, {"values": before, "known": known})

    def down(self, state: State, residue: Residue) -> Restored:
        """Put the values back; records written since get the default."""
        values = _object(_object(residue)["values"])
        known = set(cast("list[Json]", _object(residue)["known"]))

        def restored(one: Record) -> Record:
            if one[KEY] in known:
                return _put(one, self.field, values)
            return {**one, self.field: self.default}

        since = [one for one in state.get(self.entity, ()) if one[KEY] not in known]
        return Restored(_each(state, self.entity, restored), _named(self.entity, since))


class Unfit(StrEnum):
    """What happens to a value that does not fit the new type of its field."""

    REFUSE = "refuse"
    DEFAULT = "default"
    ASIDE = "aside"


@dataclass(frozen=True)
class FieldRetyped:
    """Converts the values of a field.

    The morph decides about a value that does not fit: the default stands instead, or nothing, and
    the residue keeps the value; or the plan is not deployed.
    """

    entity: str
    field: str
    before: str
    after: str
    is_reversible: bool = True
    unfit: Unfit = Unfit.REFUSE
    default: Json = None
    keys: Sequence[str] = ()
    """The key fields of the entity, if the change may take the ids of records from them."""

    def describe(self) -> str:
        """Return the change as a sentence."""
        if self.before == self.after:
            return f"{self.entity}: the key of records is {' and '.join(self.keys) or KEY}"
        unfit = f", a value that does not fit {self._instead}" if self._instead else ""
        return f"{self.entity}: field {self.field} becomes {self.after}{unfit}"

    @property
    def _instead(self) -> str:
        if self.unfit is Unfit.DEFAULT:
            return f"becomes {canonical_json(self.default)}"
        return "is kept aside" if self.unfit is Unfit.ASIDE else ""

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return the records whose value is not converted, or whose id differs from its key."""
        fault = f"{self.field} is not of type {self.after}"
        found = [
            Misfit(f"{self.entity}/{one[KEY]}", fault, self._instead)
            for one in state.get(self.entity, ())
            if self.before != self.after
            and not fits(convert(one.get(self.field), self.after), self.after)
        ]
        return [*found, *_misnamed(self.up(state).state, self.entity, self.keys)]

    def up(self, state: State) -> Migrated:
        """Convert the values; originals that a conversion back would miss are the residue."""
        lost: dict[str, Json] = {}

        def converted(one: Record) -> Record:
            if self.field not in one or self.before == self.after:
                return one
            new = convert(one[self.field], self.after)
            if self.unfit is not Unfit.REFUSE and not fits(new, self.after):
                new = self.default
            # 0.0 and -0.0 are equal, and so are 1 and True.
            if canonical_json(self._back(new)) != canonical_json(one[self.field]):
                lost[str(one[KEY])] = {"old": one[self.field], "new": new}
            return {**one, self.field: new}

        return Migrated(_each(state, self.entity, converted), lost)

    def _back(self, value: Json) -> Json:
        """Return a value in the earlier type; none if it does not fit."""
        old = convert(value, self.before)
        return old if fits(old, self.before) else None

    def down(self, state: State, residue: Residue) -> Restored:
        """Convert back; an original returns unless its value was changed since.

        A value written since that does not fit the earlier type is gone, and listed.
        """
        lost = _object(residue)
        gone: list[Record] = []

        def restored(one: Record) -> Record:
            value = one.get(self.field)
            original = _object(lost.get(str(one[KEY])) or {})
            if original and original["new"] == value:
                return {**one, self.field: original["old"]}
            if value is None or self.before == self.after:
                return one
            old = self._back(value)
            if old is None:
                gone.append(one)
            return {**one, self.field: old}

        old = _each(state, self.entity, restored)
        return Restored(old, _named(self.entity, gone))


@dataclass(frozen=True)
class EntityAdded:
    """Begins an entity without records."""

    entity: str
    is_reversible: bool = True

    def describe(self) -> str:
        """Return the change as a sentence."""
        return f"new entity {self.entity}"

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return nothing: each record fits."""
        return ()

    def up(self, state: State) -> Migrated:
        """Add the entity; records that stood there unasked go to the residue."""
        before: Residue = (
            [dict(one) for one in state[self.entity]] if self.entity in state else None
        )
        return Migrated({**state, self.entity: ()}, before)

    def down(self, state: State, residue: Residue) -> Restored:
        """Remove the entity; its records are listed."""
        since = _named(self.entity, state.get(self.entity, ()))
        rest = {name: records for name, records in state.items() if name != self.entity}
        if residue is not None:
            rest[self.entity] = _records(residue)
        return Restored(rest, since)


@dataclass(frozen=True)
class EntityDropped:
    """Removes an entity with its records; erasure keeps no residue."""

    entity: str
    is_reversible: bool = True

    def describe(self) -> str:
        """Return the change as a sentence."""
        erased = "" if self.is_reversible else ", its records are erased for good"
        return f"without entity {self.entity}{erased}"

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return nothing: each record fits."""
        return ()

    def up(self, state: State) -> Migrated:
        """Remove the entity."""
        rest = {name: records for name, records in state.items() if name != self.entity}
        kept = state.get(self.entity) if self.is_reversible else None
        return Migrated(rest, None if kept is None else [dict(one) for one in kept])

    def down(self, state: State, residue: Residue) -> Restored:
        """Put the records back."""
        kept = {} if residue is None else {self.entity: _records(residue)}
        return Restored({**state, **kept}, ())


@dataclass(frozen=True)
class Sequenced:
    """Migrations one after another."""

    steps: Sequence[Migration]

    @property
    def is_reversible(self) -> bool:
        """Whether `down` restores every value."""
        return all(step.is_reversible for step in self.steps)

    def describe(self) -> str:
        """Return the changes as sentences."""
        return "; ".join(step.describe() for step in self.steps) or "no change of state"

    def misfits(self, state: State) -> Sequence[Misfit]:
        """Return the records that do not fit one of the new shapes."""
        found: list[Misfit] = []
        for step in self.steps:
            found += step.misfits(state)
            state = step.up(state).state
        return found

    def up(self, state: State) -> Migrated:
        """Apply all migrations."""
        residues: list[Json] = []
        for step in self.steps:
            state, residue = step.up(state)
            residues.append(residue)
        return Migrated(state, residues)

    def down(self, state: State, residue: Residue) -> Restored:
        """Undo all migrations, the last one first."""
        residues = cast("list[Json]", residue)
        listed: set[str] = set()
        for step, one in zip(reversed(self.steps), reversed(residues), strict=True):
            state, defaulted = step.down(state, one)
            listed |= {*defaulted}
        return Restored(state, sorted(listed))


def _each(state: State, entity: str, change: Callable[[Record], Record]) -> State:
    if entity not in state:
        return state
    return {**state, entity: tuple(change(one) for one in state[entity])}


def _values(state: State, entity: str, field: str) -> dict[str, Json]:
    return {str(one[KEY]): one[field] for one in state.get(entity, ()) if field in one}


def _put(record: Record, field: str, values: Mapping[str, Json]) -> Record:
    """Return a record with its value of a field, or without the field if it has none."""
    rest = {key: value for key, value in record.items() if key != field}
    id_ = str(record[KEY])
    return {**rest, field: values[id_]} if id_ in values else rest


def _misnamed(state: State, entity: str, keys: Sequence[str]) -> Sequence[Misfit]:
    """Return the records whose ids are not their keys, as the app joins them."""
    fault = f"its {KEY} differs from the key {' and '.join(keys)}"
    return [
        Misfit(f"{entity}/{one[KEY]}", fault)
        for one in state.get(entity, ())
        if keys and "-".join(str(one.get(key)) for key in keys) != one[KEY]
    ]


def _named(entity: str, records: Iterable[Record]) -> Sequence[str]:
    return [f"{entity}/{record[KEY]}" for record in records]


def _object(value: Json) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", value)


def _records(value: Json) -> tuple[Record, ...]:
    return tuple(cast("list[Record]", value))
