"""The kinds of workspace of a run, by name."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.workspaces.git.object_store import Author
from attractor.workspaces.tracked_folder import EnvironmentFactory, OnSnapshot, TrackedFolder

ISOLATED = "isolated"
"""The default kind."""
COPY = "copy"
"""The kind that takes its place outside of a git repository."""
READ_ONLY = "read-only"
"""The kind for runs that only read a folder."""


@dataclass(frozen=True, kw_only=True)
class NewWorkspace:
    """The workspace that a run is about to get.

    `folder` is the folder to work in, or to copy, `records` are patterns of Attractor's records in
    it. In a repository, the workspace has the files of `commit`; `include_dirty` adds uncommitted
    changes. `environ` are the variables of the folder's owner.
    """

    folder: Path
    state: Path
    run_id: str
    search_path: str
    environ: Mapping[str, str]
    author: Author
    environment: EnvironmentFactory
    on_snapshot: OnSnapshot
    records: Sequence[str]
    leave_out: Sequence[str]
    tell: Callable[[str], None]
    commit: str
    include_dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkspaceKind:
    """A kind of workspace.

    `is_apart`: the run works on its own files and does not change the folder of a person.
    `sets_back`: a resume and a retry restore the files. `hides_scenarios`: a sandbox hides hidden
    scenarios. `how_delivered`: the result is a branch or a patch, or the files themselves.
    `needs_folder`: the run names the folder to work in. `only_reads`: a sandbox keeps the run from
    changing its folder. Without `create`, the run takes no snapshots.
    """

    is_apart: bool
    sets_back: bool
    hides_scenarios: bool
    how_delivered: Literal["branch", "patch", ""] = ""
    needs_folder: bool = False
    only_reads: bool = False
    create: Callable[[NewWorkspace], Awaitable[TrackedFolder]] | None = None


@cache
def workspace_registry() -> Registry[WorkspaceKind]:
    """Return the registry of the kinds."""
    return Registry(
        "attractor.workspaces.create", WorkspaceKind, noun="workspace", is_hyphenated=True
    )
