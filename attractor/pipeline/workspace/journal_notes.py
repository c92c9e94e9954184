"""Records in the journal which files a snapshot leaves out, and which a resume moves aside."""

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.journal.events import FilesLeftOut
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import MAIN, StageReference
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.records.request import RunRequest
from attractor.workspaces.create.from_folder import EXCLUDED_IN_PLACE
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.snapshot import Snapshot
from attractor.workspaces.tracked_folder import PREPARED, SetAside, TrackedFolder

MOST_NAMED = 50
MOST_TOLD = 5
LONGEST_NAME = 200
_Name = TypeVar("_Name", str, tuple[str, str])


class _Found(NamedTuple):
    """The paths that a snapshot left out: ignored paths, and refused paths with the reason."""

    ignored: frozenset[str]
    refused: frozenset[tuple[str, str]]


_NOTHING = _Found(frozenset(), frozenset())


class LeftOutPaths:
    """Records, for each snapshot, the paths that are left out for the first time.

    For the first snapshot of a branch, the paths that the run's workspace left out count as known.
    After a resume, all left-out paths count as new. Paths in `ours` (records of the run itself) and
    paths left out before the first stage are not recorded. Build folders that Git does not ignore
    are reported to `tell`.
    """

    def __init__(
        self,
        run: OpenRun | None = None,
        *,
        ours: Collection[str] = (),
        tell: Callable[[str], None] = do_nothing,
    ) -> None:
        self.run = run
        self._ours = frozenset(ours)
        self._tell = tell
        self._told: set[str] = set()
        self._known: dict[str, _Found] = {}

    def record_new(self, subject: str, snapshot: Snapshot) -> None:
        """Record the paths that this snapshot leaves out and the previous snapshot did not."""
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
        built = {path for path in snapshot.built if PurePosixPath(path).name not in self._told}
        if built:
            self._told |= {PurePosixPath(path).name for path in built}
            self._tell(_describe_built(sorted(built)))


def _describe_built(paths: Sequence[str]) -> str:
    """Return a sentence about build folders, with the patterns for `.gitignore` and settings."""
    names = sorted({PurePosixPath(path).name for path in paths})
    more = f" and {len(paths) - MOST_TOLD} more" if len(paths) > MOST_TOLD else ""
    listed = f"{', '.join(shorten(path, LONGEST_NAME) for path in paths[:MOST_TOLD])}{more}"
    ignoring = " and ".join(f"{name}/" for name in names)
    keeping = ", ".join(f'"!{name}/"' for name in names)
    return visible(
        f"Build folders left out of the result: {listed}. Add {ignoring} to .gitignore, or keep "
        f"them with leave_out = [{keeping}] in [workspace]."
    )


def _first(names: Iterable[_Name]) -> list[_Name]:
    return sorted(names)[:MOST_NAMED]


def _refusal(path: str, why: str) -> dict[str, Json]:
    return {"path": shorten(path, LONGEST_NAME), "why": why}


def _place(run: OpenRun, branch: str) -> StageReference:
    """Return the stage in flight to which the snapshot belongs."""
    strand = run.state.walks.get(branch)
    flight = strand.in_flight if strand else None
    key = branch or None
    return (
        StageReference(flight.node, flight.visit, flight.attempt, key)
        if flight
        else StageReference(branch=key)
    )


def record_paths(request: RunRequest) -> Sequence[str]:
    """Return the paths that belong to no stage: a person's folder may contain records of runs."""
    is_apart = workspace_registry()[request.workspace].is_apart
    return () if is_apart else [path.strip("/") for path in EXCLUDED_IN_PLACE]


EDITS_SET_ASIDE = "EditsSetAside"
"""The event type for edits that were moved aside, to restore the tree in the journal."""

_INCIDENTS = "incidents"


def record_set_aside(run: OpenRun, workspace: Workspace) -> None:
    """Record in the journal all edits that leave the workspace when a run is resumed or rewound."""
    if isinstance(workspace, TrackedFolder):
        own = None if workspace.sets_back else workspace.folder
        workspace.notify_set_aside(_SetAside(run, own).record_new)


@dataclass(frozen=True)
class _SetAside:
    """Records edits before they leave a workspace; edits that a retry removes are not recorded.

    In the `own` folder of a person, the edits may be the work of this person, so the event has the
    command that restores the edits.
    """

    run: OpenRun
    own: Path | None

    def record_new(self, aside: SetAside) -> None:
        """Record the paths, and the patch with their content."""
        if aside.patch.parent.parent.name != _INCIDENTS:
            return
        paths = sorted(aside.paths)[:MOST_NAMED]
        self.run.emit(
            EDITS_SET_ASIDE,
            {
                "paths": [shorten(path, LONGEST_NAME) for path in paths],
                "count": len(aside.paths),
                "patch": str(aside.patch),
                "command": _restore_command(self.own, aside) if self.own else "",
            },
            sync=True,
        )


def _restore_command(folder: Path, aside: SetAside) -> str:
    """Return the command that restores the edits, with paths relative to the repository."""
    around = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
    below = [] if around == folder else [f"--directory={folder.relative_to(around)}"]
    apply = ["git", "apply", *below]
    if aside.can_be_applied:
        return shlex.join([*apply, str(aside.patch)])
    store = ["git", "--git-dir", str(aside.store), "diff-tree", "-r", "-p", "--binary"]
    return f"{shlex.join([*store, aside.since, aside.until])} | {shlex.join(apply)}"
