"""Tells in the journal what a stage left in the workspace that its snapshot does not hold.

Tells in the journal what a run that goes on sets aside of its workspace (the crash rule).
"""

import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.context import shorten
from attractor.engine.journal.events import FilesLeftOut
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import MAIN, StageReference
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.workspaces.create.from_folder import EXCLUDED_IN_PLACE
from attractor.workspaces.dimension import PREPARED, Dimension, SetAside
from attractor.workspaces.snapshot import Snapshot

MOST_NAMED = 50
LONGEST_NAME = 200
_Name = TypeVar("_Name", str, tuple[str, str])


class _Found(NamedTuple):
    """What a snapshot did not hold: ignored paths, and refused ones with the reason."""

    ignored: frozenset[str]
    refused: frozenset[tuple[str, str]]


_NOTHING = _Found(frozenset(), frozenset())


class LeftOut:
    """Hears of each snapshot, and writes down what is new in it; the run may be opened later.

    Each branch has a workspace of its own, which begins like that of the run. When a process takes
    the run over, all that lies there is new to it. What `ours` names, the records of the run
    itself, is not spoken of, nor what was there before the first stage.
    """

    def __init__(self, run: OpenRun | None = None, *, ours: Collection[str] = ()) -> None:
        self.run = run
        self._ours = frozenset(ours)
        self._known: dict[str, _Found] = {}

    def hear(self, subject: str, snapshot: Snapshot) -> None:
        """Write what was not there at the last snapshot; what a stage took away is no matter."""
        ignored = frozenset(snapshot.ignored) - self._ours
        refused = frozenset((one.path, one.reason.value) for one in snapshot.skipped)
        known = self._known.get(snapshot.dimension) or self._known.get(MAIN, _NOTHING)
        new, newly_refused = ignored - known.ignored, refused - known.refused
        self._known[snapshot.dimension] = _Found(ignored, refused)
        if self.run is not None and subject != PREPARED and (new or newly_refused):
            self.run.record(
                FilesLeftOut(
                    ignored=[shorten(path, LONGEST_NAME) for path in _first(new)],
                    ignored_count=len(new),
                    refused=[_refusal(path, why) for path, why in _first(newly_refused)],
                    refused_count=len(newly_refused),
                ),
                place=_place(self.run, snapshot.dimension),
            )


def _first(names: Iterable[_Name]) -> list[_Name]:
    return sorted(names)[:MOST_NAMED]


def _refusal(path: str, why: str) -> dict[str, Json]:
    return {"path": shorten(path, LONGEST_NAME), "why": why}


def _place(run: OpenRun, branch: str) -> StageReference:
    """Return the stage in flight, whose snapshot it is."""
    strand = run.state.walks.get(branch)
    flight = strand.in_flight if strand else None
    key = branch or None
    return (
        StageReference(flight.node, flight.visit, flight.attempt, key)
        if flight
        else StageReference(branch=key)
    )


def ours_in(request: RunRequest) -> Sequence[str]:
    """Return what is no stage's doing: a run in place keeps its records in the folder itself."""
    in_place = request.workspace is WorkspaceKind.IN_PLACE
    return [path.strip("/") for path in EXCLUDED_IN_PLACE] if in_place else ()


EDITS_SET_ASIDE = "EditsSetAside"
"""The kind emitted when what lies in a workspace makes room for what the journal has."""

_INCIDENTS = "incidents"


def tell_set_aside(run: OpenRun, workspace: Workspace, kind: WorkspaceKind) -> None:
    """Have all that leaves the workspace of a run that goes on stand in its journal."""
    if isinstance(workspace, Dimension):
        own = workspace.folder if kind is WorkspaceKind.IN_PLACE else None
        workspace.notify_set_aside(_SetAside(run, own).hear)


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
