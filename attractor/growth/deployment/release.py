"""Releases of an app: its code and its state, which change together (ruling G12).

Each release is a folder named after its stage:

    release.json     the stage, its plan or the stage it returns to, its commit
    tree/            `app/` and `spec/` of the promoted commit
    state/           the recorded state: SQLite, telemetry.json
    residue.json     values without a place in the new shape of the state, for a roll-back

`current` is a link to one of them. Replacing the link is one atomic rename, which changes code and
state at once.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import read_regular, remove_tree, sync_folder, write_whole
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.base.records import read_object, read_record, write_record
from attractor.growth.apps.files import COMPILED, Files, read_below

CURRENT = "current"
RECORD = "release.json"
RESIDUE = "residue.json"
RECORDED = "recording"
BUBBLEWRAP, NONE = "bubblewrap", "none"
_NEXT = "next"
"""A release that is not complete yet."""


@dataclass(frozen=True)
class ReleaseRecord:
    """The stage of a release, its run and promoted commit, and the release that it followed.

    `plan_id` is the plan that led to it, or empty for a roll-back. `sandbox` is where its app runs:
    `bubblewrap` or `none`.
    """

    stage: str
    run_id: str
    commit: str = ""
    plan_id: str = ""
    follows: str = ""
    sandbox: str = NONE


@dataclass(frozen=True)
class ExpectedRelease:
    """What the ledger says of a release: where its app runs, and the hash of its tree."""

    sandbox: str
    tree: str


@dataclass(frozen=True)
class Release:
    """A release in its folder."""

    folder: Path
    record: ReleaseRecord

    @property
    def tree(self) -> Path:
        """The code and the specification."""
        return self.folder / "tree"

    def files(self) -> Files:
        """Read the files of the tree without compiled Python, which is removed before a start."""
        found = sorted(self.tree.rglob("*"))
        return read_below(self.tree, [one for one in found if COMPILED not in one.parts])

    @property
    def state(self) -> Path:
        """The recorded state."""
        return self.folder / "state"

    @property
    def record_mark(self) -> Path:
        """The file that lets the app record its traffic."""
        return self.folder / "record"

    @property
    def recorded(self) -> Path:
        """The recording of the app, among its state: it contains records of persons."""
        return self.state / RECORDED

    @property
    def residue(self) -> Json:
        """The values without a place in the shape of the state when the release was made."""
        return parse_json(read_regular(self.folder / RESIDUE))


def tree_hash(files: Files) -> str:
    """Return the hash of the files of a release, by path within its tree."""
    hashes: dict[str, Json] = {path: content_hash(content) for path, content in files.items()}
    return content_hash(canonical_json(hashes).encode())


class Releases:
    """The releases of an app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def current(self) -> Release | None:
        """The running release, or None before the first one."""
        link = self.folder / CURRENT
        try:
            name = link.readlink().name
        except FileNotFoundError:
            return None
        except OSError as cause:
            hint = f"move it away, and link the stage that ran: ln -s STAGE {link}"
            raise UsageError(f"{link} is not a link to a release", hint=hint) from cause
        if not (self.folder / name / RECORD).is_file():
            hint = f"link the stage that ran: ln -sfn STAGE {link}"
            raise UsageError(f"{link} leads to {name}, which is not a release", hint=hint)
        return self.open(name)

    def open(self, stage: str) -> Release:
        """Return the release of a stage."""
        folder = self.folder / stage
        try:
            record = read_record(ReleaseRecord, read_object(folder / RECORD, UsageError))
        except UsageError as cause:
            hint = "restore it from a backup of the releases"
            raise UsageError(f"{folder / RECORD} is damaged: {cause.message}", hint=hint) from cause
        return Release(folder, record)

    def begin(self, record: ReleaseRecord) -> Release:
        """Return an empty folder for the next release; remove an incomplete one."""
        folder = self.folder / _NEXT
        if folder.exists():
            remove_tree(folder)
        for name in ("tree", "state"):
            (folder / name).mkdir(parents=True)
        return Release(folder, record)

    def complete(self, release: Release, residue: Json) -> None:
        """Give the next release its name; a repeated deployment replaces one never switched to."""
        write_whole(release.folder / RESIDUE, canonical_json(residue))
        write_whole(release.folder / RECORD, canonical_json(write_record(release.record)))
        for file in release.folder.rglob("*"):
            if file.is_dir() or file.name.startswith("state"):
                handle = os.open(file, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        target = self.folder / release.record.stage
        if target.exists():
            remove_tree(target)
        release.folder.rename(target)
        sync_folder(self.folder)

    def switch(self, stage: str) -> None:
        """Make a complete release the running one, by one rename."""
        link = self.folder / f"{CURRENT}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(stage)
        link.replace(self.folder / CURRENT)
        sync_folder(self.folder)

    def before(self, stage: str) -> Sequence[Release]:
        """Return the releases that a release followed, the newest first."""
        found: list[Release] = []
        follows = self.open(stage).record.follows
        while follows and (self.folder / follows / RECORD).exists():
            found.append(self.open(follows))
            follows = found[-1].record.follows
        return found

    def include(self, plan_id: str) -> bool:
        """Return whether the running release, or one that it followed, came from a plan."""
        current = self.current
        followed = self.before(current.record.stage) if current else ()
        return plan_id in [one.record.plan_id for one in (current, *followed) if one]

    def forget_before(self, stage: str) -> None:
        """Remove state and residue of earlier releases, which contain erased records."""
        for one in self.before(stage):
            for path in (one.state, one.folder / RESIDUE):
                if path.exists():
                    remove_tree(path) if path.is_dir() else path.unlink()
        (self.open(stage).folder / RESIDUE).unlink(missing_ok=True)
