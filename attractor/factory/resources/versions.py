"""Numbered versions of the profiles, suites and pipelines of a project.

A version never changes. The ledger contains it, and so does a file in the state folder. The seal of
the file is verified at each read: a file that was edited, renamed or copied from another project is
refused.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, VerificationError
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import Json, JsonObject, canonical_json
from attractor.base.locks import FileLock
from attractor.engine.storage.json_files import Fields, pretty_json, read_document
from attractor.factory.errors import Retired
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.project import ProjectIdentity, project_folder
from attractor.language.graph.graph import folder_name

OWNER_ONLY = 0o600
PATIENCE_S = 10.0
LOCK = "lock"
"""The field of a version with the commit by whose lock it was registered, without a person."""
UNPROVED = "unproved"
"""The field of a version whose trials failed when they were played again: the broken rules."""
PROVED_ON = "proved_on"
"""The field of a version with the commit on which the baselines of its scenarios were proved."""
GAP = "gap"
"""The field of a version with what the trials of its registration did not prove."""
LEFT_OUT = "left_out"
"""The field of a version with the number of unit tests that are left out of walls."""
CHEATS = "cheats"
"""The field of a version with the cheats that its registration played: `tried`, `noticed`, and
`accepted` with a reason for each name."""
RETIRED, ARCHIVED, BURNED = "retired", "archived", "burned"


class ResourceKind(StrEnum):
    """The kinds of resources with versions."""

    PROFILE = "profile"
    SUITE = "suite"
    PIPELINE = "pipeline"


_CREATE = {
    ResourceKind.PROFILE: "attractor profile create FILE",
    ResourceKind.SUITE: "attractor suite init FOLDER, attractor suite register FOLDER",
    ResourceKind.PIPELINE: "attractor pipeline register FILE",
}


@dataclass(frozen=True)
class Ending:
    """The reason why no new run may use a version: a person retired it, or it was burned."""

    how: str
    when: datetime
    by: str
    reason: str

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the ending."""
        when = self.when.isoformat()
        return {"how": self.how, "when": when, "by": self.by, "reason": self.reason}


@dataclass(frozen=True)
class Version:
    """A version of a resource; `content` is the hash of its content, `data` depends on the kind."""

    kind: ResourceKind
    name: str
    number: int
    content: str
    registered: datetime
    by: str
    data: JsonObject = field(default_factory=dict[str, Json])
    ending: Ending | None = None

    @property
    def pinned(self) -> str:
        """The reference that runs pin: `NAME@NUMBER#HASH`."""
        return f"{self.name}@{self.number}#{self.content}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}@{self.number} ({self.content[:12]})"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the version."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "version": self.number,
            "content": self.content,
            "registered": self.registered.isoformat(),
            "by": self.by,
            "data": dict(self.data),
            "ending": self.ending.to_record() if self.ending else None,
        }


def version_from_record(fields: Fields) -> Version:
    """Read a version from its record."""
    return fields.whole(Version, number="version")


def registration_notes(version: Version) -> Iterator[str]:
    """Yield what people should know of the registration of a suite, in sentences."""
    if LOCK in version.data:
        yield (
            f"the suite was registered by its lock in commit {str(version.data[LOCK])[:12]}, and "
            "not yet by a person: attractor suite register FOLDER"
        )
    # Outside of Git, a version has neither field.
    if GAP in version.data and PROVED_ON not in version.data:
        yield (
            "the baselines of the suite are not proved, because the history lacks the commit that "
            "its lock names: attractor suite register FOLDER"
        )
    if LEFT_OUT in version.data:
        # Imported here, because a run without a suite needs nothing of suites.
        from attractor.scenarios.wall.unit_tests import left_out_words

        yield left_out_words(int(str(version.data[LEFT_OUT])))
    if UNPROVED in version.data:
        yield (
            "the suite is unproved: registered again, its trials broke the rules "
            f"{version.data[UNPROVED]}: attractor suite register FOLDER"
        )


def cheat_words(version: Version) -> str:
    """Return how many cheats a suite noticed at its registration, and those that it accepts."""
    if CHEATS not in version.data:
        return "not tried against cheats: attractor suite register FOLDER"
    counts = Fields(version.data[CHEATS], "a version")
    if not counts.number("tried"):
        return "no cheat is written in a language of the project"
    noticed = f"{counts.number('noticed')} of {number_of(counts.number('tried'), 'cheat')} noticed"
    accepted = [f"{name} ({why})" for name, why in counts.members("accepted").items()]
    return f"{noticed}{', accepted: ' * bool(accepted)}{', '.join(accepted)}"


def split_reference(reference: str) -> tuple[str, str]:
    """Return the name and the number ("" without one) of a reference."""
    name, _, number = reference.rpartition("@")
    return (name, number) if name and number.isdigit() else (reference, "")


def split_pin(pinned: str) -> tuple[str, str]:
    """Return the parts `NAME@NUMBER` and `HASH` of a pinned reference."""
    reference, _, content = pinned.rpartition("#")
    return reference, content


@dataclass(frozen=True)
class VersionStore:
    """The versions of all resources of one kind in a project."""

    kind: ResourceKind
    state: Path
    project: ProjectIdentity
    ledger: Ledger

    def add(
        self,
        name: str,
        content: str,
        data: JsonObject,
        *,
        by: str,
        now: datetime,
        renews: bool = True,
    ) -> tuple[Version, bool]:
        """Return the version with this content, and whether it is new.

        A version in use with the same content is returned: the latest version, or, as the content
        is what names a pipeline, any version of a pipeline. An ended version gets a new version
        with its content, unless `renews` is false.
        """
        project_id = self.project.create_id()
        with self._locked():
            for file, lost in self.differing(name):
                if file.exists():
                    raise _differs(file)
                # Lost by a crash or a person. The line of the ledger holds the whole version.
                self._write(project_id, lost)
            last = len(self._numbers(name))
            if known := self._number_of(name, content, last):
                version = self._read(self._folder() / folder_name(name) / f"{known}.json", name)
                if version.content == content and not (renews and version.ending):
                    return version, False
            version = Version(self.kind, name, last + 1, content, now, by, data)
            self._record(_registration_of(self.kind), project_id, version, now)
            if self.kind is ResourceKind.PIPELINE:
                note = self._note(name, content)
                make_private_folder(note.parent)
                write_whole(note, str(version.number), mode=OWNER_ONLY)
        return version, True

    def register_again(
        self, version: Version, data: JsonObject, *, by: str, now: datetime
    ) -> Version:
        """Record another registration of a version, such as by a person; its content stays."""
        again = replace(version, data=data, by=by, registered=now)
        with self._locked():
            kind = _registration_of(self.kind)
            self._record(kind, self.project.project_id(), again, now)
        return again

    def _record(self, kind: LineKind, project_id: str, version: Version, now: datetime) -> None:
        # The ledger first: a version that it lacks does not exist.
        line: JsonObject = {"project": project_id, **version.to_record()}
        self.ledger.append(kind, "", line, now=now)
        self._write(project_id, version)

    def end(self, version: Version, ending: Ending) -> Version:
        """Record that no new run may use a version; an ended version stays as it is."""
        with self._locked():
            current = self.versions(version.name)[version.number - 1]
            if current.ending and current.ending.how in (ending.how, BURNED):
                return current
            ended = replace(current, ending=ending)
            project_id = self.project.project_id()
            kind = LineKind.BURNED if ending.how == BURNED else LineKind.RETIRED
            self._record(kind, project_id, ended, ending.when)
        return ended

    def knows(self, name: str) -> bool:
        """Return whether the ledger has, or had, a version of a resource."""
        return bool(self._numbers(name) or self.differing(name))

    def names(self) -> Sequence[str]:
        """Return the names of all resources."""
        files = self._folder().glob("*/1.json")
        return sorted(self._read(file).name for file in files)

    def versions(self, name: str) -> Sequence[Version]:
        """Return all versions of a resource, oldest first."""
        folder = self._folder() / folder_name(name)
        return [self._read(folder / f"{number}.json", name) for number in self._numbers(name)]

    def find(self, reference: str) -> Version:
        """Return the version that `NAME` (the latest one) or `NAME@NUMBER` names."""
        name, number = split_reference(reference)
        versions = self.versions(name)
        if not versions:
            error = UnknownName(str(self.kind), name, self.names())
            if not error.known:
                error.hint = f"create it: {_CREATE[self.kind]}"
            raise error
        if not number:
            # Also if it has ended: no older version replaces it in silence.
            return versions[-1]
        known = {str(version.number): version for version in versions}
        if number not in known:
            raise UnknownName(f"version of {self.kind} {name}", number, known)
        return known[number]

    def with_content(self, name: str, content: str) -> Version:
        """Return the latest version of a resource with some content."""
        folder = self._folder() / folder_name(name)
        for number in reversed(self._numbers(name)):
            version = self._read(folder / f"{number}.json", name)
            if version.content == content:
                return version
        raise VerificationError(
            f"missing version of {self.kind} {name} with the content {content[:12]}", hint=_RESTORE
        )

    def is_numbered(self, reference: str) -> bool:
        """Return whether a reference names one version, not all of them."""
        return bool(split_reference(reference)[1])

    def find_usable(self, reference: str) -> Version:
        """Return a version for a new run; refuse a retired, burned or lost one.

        Without the file of the latest version, an older version would judge.
        """
        name, _ = split_reference(reference)
        if self.differing(name):
            # Another process may be between the line and the file.
            with self._locked():
                for file, _ in self.differing(name):
                    raise _differs(file)
        return self.require_in_use(self.find(reference))

    def differing(self, name: str) -> Sequence[tuple[Path, Version]]:
        """Return the files that are missing or differ from the ledger, and the version in it.

        Of pipelines, none: they judge nothing, and each start of a run registers one.
        """
        if self.kind is ResourceKind.PIPELINE:
            return []
        own = (self.project.project_id(), self.kind, name)
        lines = filter(is_about_version, self.ledger.mentioning(name))
        about = [line for line in lines if _subject(line) == own]
        return list(_differing(about, self.state))

    def require_in_use(self, version: Version) -> Version:
        """Return a version; refuse a retired or burned one."""
        if ending := version.ending:
            raise Retired(
                f"{version} was {ending.how} on {ending.when.date()}: {ending.reason}",
                hint="start a run with a version in use, or register a new one; see: attractor "
                f"{self.kind} show {version.name}",
            )
        return version

    def require_content_in_use(self, name: str, content: str) -> None:
        """Refuse content that was retired, and new content of a name that is retired as a whole."""
        last = len(self._numbers(name))
        known = self._number_of(name, content, last)
        folder = self._folder() / folder_name(name)
        numbers = [known] if known else range(last, 0, -1)
        found = (self._read(folder / f"{number}.json", name) for number in numbers)
        if last and not any(one.ending is None for one in found):
            self.require_in_use(self._read(folder / f"{known or last}.json", name))

    def of_pin(self, pinned: str) -> Version:
        """Return the version that a run pinned, retired or not; refuse another content."""
        reference, content = split_pin(pinned)
        version = self.find(reference)
        if version.content != content:
            raise VerificationError(
                f"the {self.kind} {reference} was changed after the run pinned it", hint=_RESTORE
            )
        return version

    def _numbers(self, name: str) -> Sequence[int]:
        folder = self._folder() / folder_name(name)
        numbers = sorted(int(file.stem) for file in folder.glob("*.json"))
        if numbers != list(range(1, len(numbers) + 1)):
            raise VerificationError(f"missing version in {folder}", hint=_RESTORE)
        return numbers

    def _number_of(self, name: str, content: str, last: int) -> int:
        """Return the number of the version to compare with content, or 0.

        A program may make thousands of versions of a pipeline, so not all of them are read. A lost
        note only makes another version.
        """
        if self.kind is not ResourceKind.PIPELINE:
            return last
        note = self._note(name, content)
        return min(int(note.read_text()), last) if note.exists() else 0

    def _note(self, name: str, content: str) -> Path:
        """Return the file with the number of the last version with some content."""
        return self._folder() / folder_name(name) / "contents" / content

    def _folder(self) -> Path:
        # Without an id, the project has no resources, and the folder does not exist.
        return project_folder(self.state, self.project.project_id() or "-") / f"{self.kind}s"

    def _write(self, project_id: str, version: Version) -> None:
        folder = self._folder() / folder_name(version.name)
        make_private_folder(folder)
        record = version.to_record()
        kept: JsonObject = {"version": record, "seal": self._seal(project_id, record)}
        write_whole(folder / f"{version.number}.json", pretty_json(kept), mode=OWNER_ONLY)

    def _read(self, file: Path, name: str = "") -> Version:
        self.ledger.require_there()
        kept = read_document(file)
        record = kept.members("version")
        seal = self._seal(self.project.project_id(), record)
        if not hmac.compare_digest(kept.text("seal"), seal):
            raise _changed(file)
        version = version_from_record(kept.inner("version"))
        is_here = (version.kind, str(version.number)) == (self.kind, file.stem)
        if not is_here or version.name != (name or version.name):
            raise _changed(file)
        return version

    def _seal(self, project_id: str, record: JsonObject) -> str:
        return self.ledger.seal_of(canonical_json({"project": project_id, "version": dict(record)}))

    def _locked(self) -> FileLock:
        make_private_folder(self._folder())
        lock = FileLock(self._folder() / "versions.lock")
        return lock.acquire(wait=PATIENCE_S, purpose=f"attractor {self.kind}")


_RESTORE = "restore it from a backup"


def _registration_of(kind: ResourceKind) -> LineKind:
    return LineKind(f"{kind}_registered")


_KINDS = {*map(_registration_of, ResourceKind), LineKind.RETIRED, LineKind.BURNED}


def is_about_version(entry: LedgerEntry) -> bool:
    """Return whether a line of the ledger registers or ends a version."""
    return entry.kind in _KINDS


def differing_files(entries: Iterable[LedgerEntry], state: Path) -> Iterator[Path]:
    """Yield the files of versions, of all projects, that are missing or differ from the ledger."""
    for file, _ in _differing(entries, state):
        yield file


def _differing(entries: Iterable[LedgerEntry], state: Path) -> Iterator[tuple[Path, Version]]:
    last: dict[Path, tuple[Json, Version]] = {}
    for entry in entries:
        if is_about_version(entry):
            record = {key: value for key, value in entry.data.items() if key != "project"}
            version = version_from_record(Fields(record, f"ledger: {entry.kind}"))
            project = project_folder(state, str(entry.data["project"]))
            folder = project / f"{version.kind}s" / folder_name(version.name)
            last[folder / f"{version.number}.json"] = record, version
    for file, (record, version) in last.items():
        if not file.is_file() or read_document(file).all().get("version") != record:
            yield file, version


def _subject(entry: LedgerEntry) -> tuple[Json, ...]:
    return tuple(entry.data[key] for key in ("project", "kind", "name"))


def _differs(file: Path) -> VerificationError:
    how = "differs from the ledger" if file.exists() else "is missing"
    return VerificationError(f"{file} {how}", hint=_RESTORE)


def _changed(file: Path) -> VerificationError:
    return VerificationError(f"{file} was changed after it was sealed", hint=_RESTORE)
