"""Tells in the journal what a run that goes on sets aside of its workspace (the crash rule)."""

import shlex
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.interfaces import Workspace
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage_report import shorten
from attractor.pipeline.options import WorkspaceKind
from attractor.workspaces.dimension import Dimension, SetAside

EDITS_SET_ASIDE = "EditsSetAside"
"""The kind emitted when what lies in a workspace makes room for what the journal has."""

MOST_NAMED = 50
LONGEST_NAME = 200
_INCIDENTS = "incidents"


def tell_set_aside(run: OpenRun, workspace: Workspace, kind: WorkspaceKind) -> None:
    """Have all that leaves the workspace of a run that goes on stand in its journal."""
    if isinstance(workspace, Dimension):
        own = workspace.folder if kind is WorkspaceKind.IN_PLACE else None
        workspace.tell_set_aside(_SetAside(run, own).hear)


@dataclass(frozen=True)
class _SetAside:
    """Hears of what leaves a workspace, before it does; what a retry puts away is no matter.

    In somebody's `own` folder it may be that person's work, so it is said how to get it back.
    """

    run: OpenRun
    own: Path | None

    def hear(self, aside: SetAside) -> None:
        """Write down which paths, and where what they held is from now on."""
        if aside.patch.parent.parent.name != _INCIDENTS:
            return
        paths = sorted(aside.paths)[:MOST_NAMED]
        self.run.emit(
            EDITS_SET_ASIDE,
            {
                "paths": [shorten(path, LONGEST_NAME) for path in paths],
                "count": len(aside.paths),
                "patch": str(aside.patch),
                "command": _way_back(self.own, aside) if self.own else "",
            },
            sync=True,
        )


def _way_back(folder: Path, aside: SetAside) -> str:
    """Return what is to be typed in a folder: git counts paths from the root of its repository."""
    around = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
    below = [] if around == folder else [f"--directory={folder.relative_to(around)}"]
    apply = ["git", "apply", *below]
    if aside.can_be_applied:
        return shlex.join([*apply, str(aside.patch)])
    store = ["git", "--git-dir", str(aside.store), "diff-tree", "-r", "-p", "--binary"]
    return f"{shlex.join([*store, aside.since, aside.until])} | {shlex.join(apply)}"
