"""The folders of runs and state: writable, private, and with free disk space."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attractor.cli.doctor import Finding, Machine, missing, ok, problem

MEGABYTE = 1_000_000
OWNER_ONLY = 0o077


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report on the runs folder, the state folder and free disk space."""
    settings = machine.configuration.settings
    return [
        _writable("runs folder", settings.runs_dir, "runs_dir"),
        _private(_writable("state folder", settings.state_dir, "state_dir"), settings.state_dir),
        _room(settings.runs_dir, settings.doctor.min_free_mb),
    ]


def _writable(subject: str, folder: Path, setting: str) -> Finding:
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        found = f"{folder}: cannot write to {place}: {error.strerror}"
        return problem(subject, found, remedy=f"make {place} writable, or set {setting} to another")
    return ok(subject, str(folder) if place == folder else f"{folder} (created on first use)")


def _private(finding: Finding, folder: Path) -> Finding:
    if finding.remedy or not folder.is_dir() or not folder.stat().st_mode & OWNER_ONLY:
        return finding
    found = f"{folder} is readable by other users of this machine"
    return missing(finding.subject, found, remedy=f"chmod 700 {folder}")


def _room(folder: Path, wanted_mb: int) -> Finding:
    try:
        free_mb = shutil.disk_usage(_nearest(folder)).free // MEGABYTE
    except OSError as error:
        found = f"{folder}: {error.strerror}"
        return problem("disk", found, remedy="set runs_dir to a usable folder")
    found = f"{free_mb:,} MB free for runs, {wanted_mb:,} MB required"
    if free_mb >= wanted_mb:
        return ok("disk", found)
    return missing("disk", found, remedy="free some disk space, or lower doctor.min_free_mb")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest existing parent of the folder."""
    return next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))


part = examine
