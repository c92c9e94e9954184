"""Ends versions of resources that no active run uses."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.factory.errors import InUse
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.project import ProjectIdentity, created_runs
from attractor.factory.resources.versions import BURNED, Ending, ResourceKind, Version, VersionStore
from attractor.pipeline.source.read import find_accepted

_SHOWN = 5


def end_versions(store: VersionStore, reference: str, ending: Ending) -> list[Version]:
    """End the version `NAME@NUMBER`, or all versions of `NAME`; burn one version only."""
    chosen = store.find(reference)
    is_one = store.is_numbered(reference) or ending.how == BURNED
    versions = [chosen] if is_one else store.versions(chosen.name)
    if ending.how != BURNED:
        require_unused(versions, store.project, store.ledger)
    return [store.end(version, ending) for version in versions]


def require_unused(versions: Iterable[Version], project: ProjectIdentity, ledger: Ledger) -> None:
    """Refuse to end versions that active runs of the project use, or unreadable runs might use."""
    users: dict[str, list[str]] = defaultdict(list)
    unreadable: list[str] = []
    for root in sorted(_directories(project, ledger)):
        try:
            if run := _active(RunDirectory(root)):
                for used in (run.suite, run.profile, run.content_hash):
                    users[used].append(run.run_id)
        except AttractorError:
            unreadable.append(root.name)
    for version in versions:
        key = version.content if version.kind is ResourceKind.PIPELINE else version.pinned
        if runs := users.get(key):
            raise InUse(f"{version} is used by active runs: {_some(runs)}")
        if unreadable:
            raise InUse(
                f"{version} may be used by unreadable runs: {_some(unreadable)}",
                hint="restore them from a backup, or remove their directories; see: attractor "
                "audit verify RUN",
            )


def _active(directory: RunDirectory) -> Manifest | None:
    """Return the manifest of an active run, with the hash of the pipeline that it now uses."""
    if not directory.manifest.exists():
        return None
    if not open_journal(directory.events, directory.checkpoint).state.status.is_active:
        return None
    manifest, accepted = read_manifest(directory), find_accepted(directory)
    return replace(manifest, content_hash=accepted.new) if accepted else manifest


def _directories(project: ProjectIdentity, ledger: Ledger) -> set[Path]:
    """Return the directories of all runs of a project that the ledger does not know as ended."""
    entries = [
        entry
        for entry in ledger.entries()
        if entry.kind in (LineKind.CREATED, LineKind.ENDED, LineKind.DECIDED)
    ]
    over = {entry.run_id for entry in entries if entry.kind != LineKind.CREATED}
    project_id = project.project_id()
    created = {
        Path(str(one.data["directory"])): run_id in over
        for run_id, one in created_runs(entries, project_id).items()
    }
    here = {path.resolve() for path in project.runs_dir.glob("*") if path.is_dir()}
    return {one for one in here | created.keys() if not created.get(one)}


def _some(runs: list[str]) -> str:
    return ", ".join(runs[:_SHOWN]) + (" and others" if len(runs) > _SHOWN else "")
