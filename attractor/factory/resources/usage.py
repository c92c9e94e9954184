"""Finds active runs that use a resource, because such a resource cannot be retired."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.factory.errors import InUse
from attractor.factory.ledger import Ledger
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.versions import ResourceKind, Version

_SHOWN = 5


def require_unused(version: Version, project: ProjectIdentity, ledger: Ledger) -> None:
    """Refuse to end a version that active runs of the project use."""
    runs = sorted({one.run_id for one in _active_runs(project, ledger) if _uses(one, version)})
    if runs:
        named = ", ".join(runs[:_SHOWN]) + (" and others" if len(runs) > _SHOWN else "")
        raise InUse(f"{version} is used by active runs: {named}")


def _uses(manifest: Manifest, version: Version) -> bool:
    match version.kind:
        case ResourceKind.PROFILE:
            return manifest.profile == version.pinned
        case ResourceKind.SUITE:
            return manifest.suite == version.pinned
        case ResourceKind.PIPELINE:
            return manifest.content_hash == version.content


def _active_runs(project: ProjectIdentity, ledger: Ledger) -> Iterator[Manifest]:
    for root in _directories(project, ledger):
        directory = RunDirectory(root)
        try:
            if directory.manifest.exists():
                state = open_journal(directory.events, directory.checkpoint).state
                if state.status.is_active:
                    yield read_manifest(directory)
        # A corrupt run is reported by the commands about this run.
        except AttractorError:
            continue


def _directories(project: ProjectIdentity, ledger: Ledger) -> set[Path]:
    """Return the directories of all runs of a project: in its runs folder, and elsewhere."""
    here = {one for one in project.runs_dir.glob("*") if one.is_dir()}
    project_id = project.project_id()
    elsewhere = {
        Path(str(entry.data["directory"]))
        for entry in ledger.entries()
        if entry.kind == "created" and entry.data.get("project") == project_id
    }
    return here | elsewhere
