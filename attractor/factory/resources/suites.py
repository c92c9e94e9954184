"""The suites of a project: numbered versions, each a sealed copy."""

import json
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_object
from attractor.factory.errors import Retired
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.project import IN_PROJECT, ProjectIdentity
from attractor.factory.resources.suite_figures import SuiteFigures
from attractor.factory.resources.versions import (
    CHEATS,
    LEFT_OUT,
    LOCK,
    PROVED_ON,
    UNPROVED,
    ResourceKind,
    Version,
    VersionStore,
    split_reference,
)
from attractor.scenarios.carried_paths import CarriedFiles, compare_listings, listing_from_json
from attractor.scenarios.satisfaction import failures_allowed
from attractor.scenarios.sealed_suite import (
    SealedSuite,
    SuiteChanges,
    SuiteLock,
    changes_since_seal,
    lock_of,
    open_sealed,
    seal_suite,
    write_lock,
)
from attractor.scenarios.suite import ALL_PIPELINES, Suite
from attractor.scenarios.suite_files import SUITE_FILE
from attractor.scenarios.suite_lint import SuiteRefused, threshold_faults
from attractor.scenarios.suite_reader import read_suite
from attractor.scenarios.wall.crossing import Crossing, read_crossing, write_crossing

CARRIED = "carried"
"""The field of a version with the hash of the carried paths of its trials."""


def carried_of_registrations(
    entries: Iterable[LedgerEntry], project: str, seal: str
) -> Collection[str]:
    """Return the hashes of carried paths with which a suite was registered in a project.

    Later than a run in the folder of the project, which can change them, the registration of a
    person counts, and that of a lock does not.
    """
    found, is_touched = set[str](), False
    for entry in entries:
        if entry.data.get("project") != project:
            continue
        is_touched |= entry.kind == LineKind.CREATED and bool(entry.data.get(IN_PROJECT))
        if entry.kind == LineKind.SUITE_REGISTERED and entry.data["content"] == seal:
            data = entry.data["data"]
            if isinstance(data, dict) and CARRIED in data and not (is_touched and LOCK in data):
                found.add(str(data[CARRIED]))
    return found


@dataclass(frozen=True)
class Proof:
    """What the trials of a registration proved.

    `carried` is the hash of carried paths with which a program that does nothing failed. The
    baselines were proved on the commit `proved_on`; "" if they were not, or outside of Git. `lock`
    is the commit by whose lock the suite is registered; "" if a person registers it. `gap` says
    what the trials did not prove, without words of a scenario: the next registration plays again.
    """

    carried: str = ""
    proved_on: str = ""
    lock: str = ""
    gap: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the fields of a version."""
        return {key: value for key, value in vars(self).items() if value}


@dataclass(frozen=True)
class Registration:
    """The result of registering a suite.

    `figures` are the counts of what it noticed, and `measured` the lines about each wrong solution
    and change, for the person who registers.
    """

    version: Version
    is_new: bool
    trials: int
    failures_allowed: int
    figures: SuiteFigures | None = None
    measured: Sequence[str] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the registration."""
        return {
            "name": self.version.name,
            "version": self.version.number,
            "seal": self.version.content,
            "is_new": self.is_new,
            "trials": self.trials,
            "failures_allowed": self.failures_allowed,
            "measured": self.figures.to_record() if self.figures else None,
            "cheats": self.version.data.get(CHEATS),
        }


def suite_record(version: Version, suite: Suite, *, to_operator: bool) -> dict[str, Json]:
    """Return the JSON record of a version of a suite; only the operator gets the holdouts."""
    shown = suite.scenarios if to_operator else suite.of_split("train")
    hidden = {"gate": {"must"}, "isolation": {"canary"}, "wrong": True, "accept": True}
    return {
        **version.to_record(),
        "settings": suite.settings.model_dump(mode="json", exclude={} if to_operator else hidden),
        "holdouts": len(suite.of_split("holdout")),
        "scenarios": [one.model_dump(mode="json") for one in shown],
    }


def other_pipeline(
    suite: str, pipelines: Sequence[str], name: str, folder: Path
) -> UsageError | None:
    """Return the fault of a pipeline that is not among those that a suite is for."""
    if {ALL_PIPELINES, name} & {split_reference(one)[0] for one in pipelines}:
        return None
    return UsageError(
        f"the suite {suite} is for the pipeline {' or '.join(map(repr, pipelines))}, "
        f"not for {name!r}",
        hint=f"to judge {name!r} by it, write pipeline = {json.dumps([*pipelines, name])} in "
        f"{folder / SUITE_FILE}, then: attractor suite register {shlex.quote(str(folder))}",
    )


def is_for(version: Version, pipeline: str) -> bool:
    """Return whether a version of a suite judges a pipeline."""
    named = version.data["pipeline"]
    pipelines = [str(one) for one in named] if isinstance(named, list) else [str(named)]
    return other_pipeline(version.name, pipelines, pipeline, Path()) is None


class SuiteStore:
    """The suites of a project, with versions; projects share the sealed copies."""

    def __init__(self, state: Path, project: ProjectIdentity, ledger: Ledger) -> None:
        self._sealed = state / "suites" / "sealed"
        self._carried = state / "suites" / "carried"
        self._crossing = state / "suites" / "crossing"
        self.versions = VersionStore(ResourceKind.SUITE, state, project, ledger)

    def seal(self, folder: Path) -> SealedSuite:
        """Store a sealed copy of a suite; refuse impossible thresholds, and a burned suite."""
        if faults := list(threshold_faults(read_suite(folder))):
            raise SuiteRefused(faults)
        sealed = seal_suite(folder, self._sealed)
        self.require_unburned(sealed.suite.settings.name, sealed.seal)
        return sealed

    def require_unburned(self, name: str, content: str) -> None:
        """Refuse a suite whose content was burned, in any project: no run could pass its gate."""
        for entry in self.versions.ledger.mentioning(content):
            if entry.kind == LineKind.BURNED and entry.data["content"] == content:
                raise Retired(
                    f"suite {name} ({content[:12]}) is burned since {entry.when.date()}: its "
                    "holdouts are known",
                    hint="write new holdouts, then: attractor suite register FOLDER",
                )

    def add(
        self,
        sealed: SealedSuite,
        folder: Path,
        *,
        by: str,
        now: datetime,
        proof: Proof | None = None,
        cheats: JsonObject | None = None,
        lock: SuiteLock | None = None,
    ) -> Registration:
        """Register a sealed suite as a new version, unless it equals the latest version.

        Without a proof, the version keeps its own, and a person stands for its lock. `cheats` are
        the counts of those that were played now.
        The folder gets a lock of the version, or keeps the committed `lock` of the same files.
        """
        settings = sealed.suite.settings
        data = settings.model_dump(mode="json", include={"pipeline"})
        data |= {"folder": str(folder.resolve()), **(proof or Proof()).to_record()}
        data |= {LEFT_OUT: sealed.suite.left_out} if sealed.suite.left_out else {}
        version, is_new = self.versions.add(settings.name, sealed.seal, data, by=by, now=now)
        stale = {LOCK, UNPROVED, *vars(proof)} if proof else {LOCK}
        again = {key: value for key, value in version.data.items() if key not in stale}
        again |= proof.to_record() if proof else {}
        again |= {CHEATS: {**cheats}} if cheats else {}
        if again != version.data:
            version = self.versions.register_again(version, again, by=by, now=now)
        proved_on = str(version.data.get(PROVED_ON, ""))
        write_lock(folder, lock or lock_of(sealed, version.number, proved_on))
        return self.registration(version, sealed.suite, is_new=is_new)

    def keep_carried(self, carried: CarriedFiles) -> None:
        """Keep the names and hashes of carried files, to tell later what changed."""
        make_private_folder(self._carried)
        write_whole(self._carried / f"{carried.content}.json", carried.listing.to_json())

    def keep_crossing(self, sealed: SealedSuite, crossing: Crossing) -> None:
        """Keep what crossed the walls of a suite while its references were played."""
        if crossing:
            make_private_folder(self._crossing)
            content = canonical_json(write_crossing(crossing)).encode()
            write_whole(self._crossing / f"{sealed.seal}.json", content)

    def carried_changes(self, version: Version, carried: CarriedFiles) -> Sequence[str]:
        """Return the carried packages and files that differ from the registration of a version."""
        registered = str(version.data.get(CARRIED, ""))
        if carried.content == registered:
            return ()
        try:
            before = listing_from_json((self._carried / f"{registered}.json").read_bytes())
        except FileNotFoundError:  # registered by an earlier Attractor
            return carried.paths
        return compare_listings(before, carried.listing)

    def registration(self, version: Version, suite: Suite, *, is_new: bool) -> Registration:
        """Return the result of registering a suite as a version."""
        trials = suite.settings.trials.n * len(suite.of_split("holdout"))
        return Registration(version, is_new, trials, failures_allowed(suite))

    def current(self, sealed: SealedSuite) -> Version | None:
        """Return the latest version, if it is this sealed suite and in use."""
        name = sealed.suite.settings.name
        if self.versions.differing(name):
            return None
        versions = self.versions.versions(name)
        is_it = bool(versions) and not versions[-1].ending and versions[-1].content == sealed.seal
        return versions[-1] if is_it else None

    def mark_unproved(self, version: Version, rules: str, *, now: datetime) -> None:
        """Record the rules that a version broke when its trials were played again."""
        data = {**version.data, UNPROVED: rules}
        self.versions.register_again(version, data, by=version.by, now=now)

    def changes(self, version: Version) -> SuiteChanges:
        """Return the files in the folder of a suite that differ from the sealed version."""
        return changes_since_seal(Path(str(version.data["folder"])), self.open(version))

    def open(self, version: Version) -> SealedSuite:
        """Read the sealed copy of a version, and verify the hash of the copy."""
        sealed = open_sealed(self._sealed, version.content)
        if not any(one.wall for one in sealed.suite.scenarios):
            return sealed
        file = self._crossing / f"{version.content}.json"
        # Without it, such as after another machine's registration, no object may cross.
        found = parse_object(file.read_bytes()) if file.exists() else {}
        return replace(sealed, crossing=read_crossing(found or {}))
