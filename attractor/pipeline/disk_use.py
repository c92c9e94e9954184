"""The disk space that the runs folder and the state folder use."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.workspaces.cleanup import DiskUsage
from attractor.workspaces.folders import workspaces_folder
from attractor.workspaces.run_store import STORES


@dataclass(frozen=True)
class UsedSpace:
    """The bytes that a folder uses; hard links are counted at their first folder."""

    what: str
    path: Path
    bytes: int


@dataclass(frozen=True)
class DiskUse:
    """The space that runs use, and the free and total bytes of the file system with the runs."""

    free: int
    total: int
    folders: Sequence[UsedSpace]

    @property
    def used(self) -> int:
        """The bytes of all folders."""
        return sum(one.bytes for one in self.folders)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the disk use."""
        return {"used": self.used, **write_fields(self)}


def read_disk_use(runs_dir: Path, state_dir: Path) -> DiskUse:
    """Measure the folders of runs; this reads every folder below them.

    `gc` frees workspaces and stores only. The other files of the state folder are the records of
    all projects.
    """
    sizes = DiskUsage()
    stores, workspaces = state_dir / STORES, workspaces_folder(state_dir)
    measured = [("runs", runs_dir), ("workspaces", workspaces.resolve()), ("stores", stores)]
    folders = [UsedSpace(what, path, sizes.of(path)) for what, path in measured]
    entries = state_dir.iterdir() if state_dir.is_dir() else ()
    rest = sum(sizes.of(one) for one in entries if one not in (stores, workspaces))
    folders.append(UsedSpace("records", state_dir, rest))
    place = next(one for one in (runs_dir, *runs_dir.parents) if one.exists())
    space = shutil.disk_usage(place)
    return DiskUse(space.free, space.total, folders)
