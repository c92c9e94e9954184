"""The specifications that a control plane keeps, each by an id made of its hash.

A stored specification never changes: the id names the content. `HEAD` is the specification in the
repository of the app.
"""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import file_error, write_whole
from attractor.base.json import canonical_json
from attractor.base.names import find_named
from attractor.base.records import read_object, read_record, write_record
from attractor.growth.desires import UserDesire, parse_desire
from attractor.growth.errors import InvalidSpec, UnknownSpec
from attractor.growth.specification.clarifications import Clarification, clarifications_of
from attractor.growth.specification.files import read_spec, write_spec
from attractor.growth.specification.graph import SpecGraph, SpecNode

HEAD = "HEAD"
"""The reference to the specification in the repository of the app."""

_RECORD = "record.json"


def spec_id(graph: SpecGraph) -> str:
    """Return the id of a specification: `sg-` and the first digits of its hash."""
    return f"sg-{graph.spec_hash[:12]}"


def desire_of(node: SpecNode) -> UserDesire:
    """Return the desire in a node."""
    others = {key: one for key, one in node.fields.items() if key != "name"}
    return parse_desire({"goal": node.name, **others}, place=node.id)


@dataclass(frozen=True)
class SpecRecord:
    """Where a stored specification comes from."""

    desires: tuple[str, ...] = ()
    """The ids of the nodes with the desires that it adds to the base."""
    base: str = ""
    """The id of the base; empty for the first specification of an app."""


NO_RECORD = SpecRecord()


@dataclass(frozen=True)
class StoredSpec:
    """A specification and its record."""

    graph: SpecGraph
    record: SpecRecord = NO_RECORD

    @property
    def id(self) -> str:
        """The id of the specification."""
        return spec_id(self.graph)

    @property
    def base(self) -> str:
        """The id of the base."""
        return self.record.base

    @property
    def desires(self) -> Sequence[UserDesire]:
        """The desires that it adds to the base."""
        return [desire_of(self.graph[desire]) for desire in self.record.desires]

    @property
    def clarifications(self) -> Sequence[Clarification]:
        """The open questions."""
        return clarifications_of(self.graph)


def _goes_on(before: StoredSpec, after: StoredSpec) -> bool:
    """Return whether a specification adds desires to another one, or to its base."""
    more = set(before.record.desires) < set(after.record.desires)
    return after.base == before.id or bool(before.base and before.base == after.base and more)


class SpecStore:
    """The specifications in a folder, and the one in the repository of the app."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.repository = repository

    def save(self, graph: SpecGraph, record: SpecRecord = NO_RECORD) -> str:
        """Store a specification and return its id; a stored one stays as it is."""
        id_ = spec_id(graph)
        folder = self.folder / id_
        if not (folder / _RECORD).is_file():
            write_spec(graph, folder)
            # Written last: a folder without it was not completed.
            write_whole(folder / _RECORD, f"{canonical_json(write_record(record))}\n")
        return id_

    def load(self, reference: str) -> StoredSpec:
        """Return the specification with an id, a unique prefix of an id, or `HEAD`."""
        if reference == HEAD:
            return StoredSpec(self.of_repository())
        id_ = find_named("specification", reference, self.ids(), unknown=UnknownSpec)
        file = self.folder / id_ / _RECORD
        record = read_record(SpecRecord, read_object(file, InvalidSpec))
        stored = StoredSpec(read_spec(self.folder / id_), record)
        if stored.id != id_:
            hint = f"remove {self.folder / id_}, then store the specification again"
            raise InvalidSpec(f"{id_} was changed: its content is {stored.id}", hint=hint)
        return stored

    def first(self) -> StoredSpec:
        """Return the only specification of an app before its first stage, with all its desires."""
        stored = [self.load(id_) for id_ in self.ids()]
        found = [one for one in stored if not any(_goes_on(one, other) for other in stored)]
        if len(found) != 1:
            hint = "name one: " + (", ".join(one.id for one in found) or "attractor grow init")
            how_many = f"{len(found)} specifications" if found else "no specification"
            raise UsageError(f"the app has no stage yet, and {how_many}", hint=hint)
        return found[0]

    def of_repository(self) -> SpecGraph:
        """Return the specification in the checked-out tree of the app."""
        return read_spec(self.repository)

    def stored_at(self, id_: str) -> float:
        """Return the time at which a specification was stored."""
        file = self.folder / id_ / _RECORD
        try:
            return file.stat().st_mtime
        except OSError as cause:
            raise file_error("read", file, cause) from cause

    def ids(self) -> Sequence[str]:
        """Return the ids of all stored specifications."""
        return sorted(path.parent.name for path in self.folder.glob(f"sg-*/{_RECORD}"))
