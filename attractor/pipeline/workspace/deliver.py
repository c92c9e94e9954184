"""Delivers the result of a run to its project, as a Git branch or a patch, whenever the
run stops.
"""

import shlex
from functools import partial
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.events import Event
from attractor.base.files import write_whole
from attractor.base.journal import read_lines
from attractor.base.json import Json, parse_json
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.stage.no_workspace import NoEnvironment
from attractor.engine.stage.patch import Patch, redact_patch
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.run_state import EVALUATING
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.graph.graph import Graph
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, WorkspaceKind, read_request
from attractor.pipeline.source.read import read_saved_pipeline
from attractor.pipeline.workspace.create import objects_of
from attractor.pipeline.workspace.stage_commits import stage_commits
from attractor.workspaces.checkouts import write_run_branch
from attractor.workspaces.create.isolated import reopen_workspace
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import open_repository

BRANCH_WRITTEN = "RunBranchWritten"
"""The event type for stages written as commits to a branch of the project."""

PATCH_WRITTEN = "RunPatchWritten"
"""The event type for a patch with all changes of the run."""

RESULT = "result.patch"
"""The file in the run directory with all changes of a run that works on a copy."""

LARGEST_RESULT = 1 << 30

_KINDS = (BRANCH_WRITTEN.encode(), PATCH_WRITTEN.encode())


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

    `changed` is the number of changed files, with the first names.
    """

    branch: str = ""
    patch: DeliveredPatch | None = None
    changed: str = ""


def read_delivery(directory: RunDirectory) -> Delivery:
    """Read the last delivery from the journal of a run."""
    found = Delivery()
    for line in read_lines(directory.events) if directory.events.exists() else ():
        if any(kind in line.content for kind in _KINDS):
            record = parse_json(line.content)
            event = Event.from_record(record) if isinstance(record, dict) else None
            if event is None:
                continue
            changed = str(event.data.get("changed", ""))
            if event.type == BRANCH_WRITTEN:
                branch = str(event.data["ref"]).removeprefix("refs/heads/")
                found = Delivery(branch, changed=changed)
            elif event.type == PATCH_WRITTEN:
                found = Delivery(patch=_patch_of(event, directory), changed=changed)
    return found


NO_FILES = "no files"
"""The description of no changes."""

_MOST_NAMED = 5


async def describe_changes(workspace: Dimension, tree: TreeId) -> str:
    """Return the number of files that a run has changed so far, with the first names."""
    paths = sorted(await workspace.changed(workspace.base.candidate, tree))
    if not paths:
        return NO_FILES
    files = number_of(len(paths), "file")
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return f"{files}: {', '.join(paths[:_MOST_NAMED])}{more}"


def _patch_of(event: Event, directory: RunDirectory) -> DeliveredPatch:
    """Return the description of a patch; the store is only needed for a redacted patch."""
    place = directory.root / RESULT
    if not event.data.get("redacted"):
        return DeliveredPatch(place)
    folder, store, since, tree = (
        str(event.data[name]) for name in ("folder", "store", "since", "tree")
    )
    return DeliveredPatch(place, True, folder, store, since, tree)


async def deliver(
    run: OpenRun, workspace: object, *, graph: Graph, request: RunRequest, host: RunHost
) -> None:
    """Deliver the result so far; a repeated call has the same effect.

    A failure is an error for a run that succeeded, and only reported for any other run.
    """
    if not isinstance(workspace, Dimension) or run.state.progress is None:
        return
    give = {WorkspaceKind.ISOLATED: _give_branch, WorkspaceKind.COPY: _write_result}.get(
        request.workspace
    )
    if give is None:
        return
    try:
        await give(run, workspace, graph, host)
    except AttractorError as trouble:
        if run.state.status == EVALUATING:
            raise
        hint = f" ({trouble.hint})" if trouble.hint else ""
        host.tell(f"The result so far was not delivered: {trouble.message}{hint}.")


async def _give_branch(run: OpenRun, workspace: Dimension, graph: Graph, host: RunHost) -> None:
    journal, base = run.directory.events, workspace.base
    stages = await in_thread(partial(stage_commits, journal, graph, base=base.candidate))
    if not stages and run.state.status != EVALUATING:
        return
    branch = await write_run_branch(
        await open_repository(host.project, search_path=host.search_path),
        workspace.store,
        run_id=run.manifest.run_id,
        base=base,
        stages=stages,
        excluded=workspace.excluded,
    )
    changed = await describe_changes(workspace, run.progress.tree)
    data = {"ref": branch.ref, "commit": branch.commit, "tree": branch.tree, "changed": changed}
    run.emit(BRANCH_WRITTEN, data, sync=True)


async def _write_result(run: OpenRun, workspace: Dimension, graph: Graph, host: RunHost) -> None:
    """Write every change of the run into a patch, and record whether secrets were redacted."""
    since, until = workspace.base.candidate, run.progress.tree
    content = await workspace.diff(since, until, most=LARGEST_RESULT + 1)
    if len(content) > LARGEST_RESULT:
        raise UsageError(
            f"the changes of the run exceed {LARGEST_RESULT >> 30} GiB, the maximum of a patch",
            hint=f"its files are in {workspace.folder}",
        )
    place = run.directory.root / RESULT
    if not content and not place.exists():
        return
    clean = await in_thread(partial(redact_patch, Patch(content), run.redactor))
    await in_thread(partial(write_whole, place, clean.content))
    data: dict[str, Json] = {
        "path": RESULT,
        "since": since,
        "tree": until,
        "redacted": clean.is_redacted,
        "folder": str(workspace.folder),
        "store": str(workspace.store.folder),
        "changed": await describe_changes(workspace, until),
    }
    run.emit(PATCH_WRITTEN, data, sync=True)


async def deliver_ended_run(root: Path, host: RunHost) -> None:
    """Deliver the result of a run that was canceled without a process; report a failure."""
    try:
        with open_run(root, clock=host.clock, redactor=host.redactor) as run:
            await _deliver(run, host)
    except AttractorError as trouble:
        host.tell(f"The result of the run was not delivered: {trouble.message}.")


async def _deliver(run: OpenRun, host: RunHost) -> None:
    manifest = run.manifest
    request = read_request(manifest)
    if not request.workspace.is_apart or run.state.progress is None:
        return
    pipeline = read_saved_pipeline(
        run.directory,
        manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=host.custom_parts,
    )
    workspace = await reopen_workspace(
        state=host.state_dir,
        run_id=manifest.run_id,
        search_path=host.search_path,
        environment=_nowhere,
        borrow_from=await objects_of(request, host),
    )
    try:
        await deliver(run, workspace, graph=pipeline.graph, request=request, host=host)
    finally:
        await workspace.close()


def _nowhere(folder: Path) -> ExecutionEnvironment:
    """Return no environment, because no tool runs during the delivery."""
    return NoEnvironment()
