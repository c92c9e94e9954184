"""The last delivery of a run to its project: a Git branch or a patch."""

import shlex
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import RunDirectory

BRANCH_WRITTEN = "RunBranchWritten"
"""The event type for stages written as commits to a branch of the project."""


PATCH_WRITTEN = "RunPatchWritten"
"""The event type for a patch with all changes of the run."""


CARRIED_CHANGED = "CarriedPathsChanged"
"""The event type for carried paths of the project that changed during a run in its folder."""


RESULT = "result.patch"
"""The file in the run directory with all changes of a run that works on a copy."""


@dataclass(frozen=True)
class DeliveredPatch:
    """The patch with all changes of a run, and the folder with the resulting files.

    A redacted patch cannot be applied; a git command then makes the complete patch from the store.
    """

    place: Path
    is_redacted: bool = False
    folder: str = ""
    store: str = ""
    since: str = ""
    tree: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the patch."""
        return {
            "path": str(self.place),
            "redacted": self.is_redacted,
            "folder": self.folder,
            "apply": self.applying,
        }

    @property
    def applying(self) -> str:
        """The command that applies the changes, to run in the folder of the project."""
        if not self.is_redacted:
            return f"git apply {shlex.quote(str(self.place))}"
        store = shlex.quote(self.store)
        whole = f"git --git-dir {store} diff-tree -r -p --binary {self.since} {self.tree}"
        return f"{whole} | git apply"


@dataclass(frozen=True)
class Delivery:
    """The last delivery of a run: the name of a Git branch, or a patch.

    `changed` is the number of changed files, with the first names; `carried` that of the carried
    paths of the project that changed during a run in its folder.
    """

    branch: str = ""
    patch: DeliveredPatch | None = None
    changed: str = ""
    carried: str = ""


def describe_carried_changes(changed: str) -> str:
    """Return what follows from changed carried paths, with the commands to type."""
    return (
        f"carried paths changed: {changed}. Trials with them prove nothing until you register the "
        "suite again: attractor suite lint FOLDER says what changed, then: attractor suite "
        "register FOLDER"
    )


def read_delivery(directory: RunDirectory) -> Delivery:
    """Read the last delivery from the journal of a run."""
    found = Delivery()
    for event in events_of(directory.events, (BRANCH_WRITTEN, PATCH_WRITTEN, CARRIED_CHANGED)):
        changed = str(event.data.get("changed", ""))
        if event.type == CARRIED_CHANGED:
            found = replace(found, carried=changed)
        elif event.type == BRANCH_WRITTEN:
            branch = str(event.data["ref"]).removeprefix("refs/heads/")
            found = Delivery(branch, changed=changed)
        else:
            found = Delivery(patch=_patch_of(event, directory), changed=changed)
    return found


NO_FILES = "no files"
"""The description of no changes."""


def _patch_of(event: Event, directory: RunDirectory) -> DeliveredPatch:
    """Return the description of a patch; the store is only needed for a redacted patch."""
    place = directory.root / RESULT
    if not event.data.get("redacted"):
        return DeliveredPatch(place)
    folder, store, since, tree = (
        str(event.data[name]) for name in ("folder", "store", "since", "tree")
    )
    return DeliveredPatch(place, True, folder, store, since, tree)
