"""The origins of a run: a request, an earlier process, or a visit of another run.

Their methods are the steps of a plan in which runs differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.engine.errors import GraphChanged, RunOver
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import (
    CHILDREN,
    Manifest,
    RunDirectory,
    is_held,
    require_free,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import Promises
from attractor.language.reading import parse
from attractor.pipeline.plan.fork_point import ForkPoint, find_fork_point
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.accept_change import PlannedChange, plan_change
from attractor.pipeline.source.read import (
    OpenedPipeline,
    PipelineSource,
    context_of,
    hash_of_file,
    read_saved_pipeline,
)
from attractor.pipeline.workspace.create import require_here, require_trees
from attractor.records.lookup import RecordedRun, outermost_run_id, read_run
from attractor.records.request import (
    NO_OVERRIDES,
    Overrides,
    RunRequest,
    current_request,
    read_request,
)
from attractor.workspaces.create.registry import workspace_registry

Read = tuple[PipelineSource, PlannedChange | None]
"""A pipeline, and the change that made it if it is not the one that the run began with."""


@dataclass(frozen=True)
class New:
    """A request for a new run; its directory is `root` (default: in the runs folder).

    `texts` replace files of the pipeline, by path. `run_id` is the id of the run (default: a new
    id). In a repository, the workspace begins with `commit`.
    """

    request: RunRequest
    root: Path | None = None
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    run_id: str = ""
    commit: str = "HEAD"

    is_new = walks = True
    is_resumed = is_restart = restores_sessions = False
    promises = Promises()
    overrides = NO_OVERRIDES
    agents = ""

    def secrets(self, redactor: Redactor) -> Iterable[str]:
        """Return no secrets: the pipeline says which inputs are secret."""
        return ()

    def ask(self, project: Project) -> RunRequest:
        """Return the request, or refuse a directory that is in use."""
        if self.root is not None:
            require_free(self.root)
        return self.request

    @cached_property
    def _opened(self) -> OpenedPipeline:
        return OpenedPipeline.of(str(self.request.file), self.texts)

    @property
    def pipeline_name(self) -> str:
        """The name of the pipeline in the file."""
        return self._opened.name

    def read(self, request: RunRequest, scope: RunScope) -> Read:
        """Prepare the pipeline of the file."""
        inputs, project = request.inputs, context_of(scope)
        return self._opened.read(goal=request.goal, inputs=inputs, project=project), None


@dataclass(frozen=True)
class Resumed:
    """A run that waits or stopped; it is open, so that no other process continues it.

    `passed` are the secrets that were passed, now or to the run before. With `is_restart`, this
    process has just ended the run that it continues.
    """

    run: OpenRun
    overrides: Overrides = NO_OVERRIDES
    passed: Sequence[str] = ()
    is_restart: bool = False

    is_new = False
    is_resumed = True

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.manifest.run_id

    @property
    def walks(self) -> bool:
        """Whether the run executes stages; otherwise it only waits for its evaluation."""
        return self.run.state.may_walk or self.run.state.is_restarting

    @property
    def promises(self) -> Promises:
        """What the sandbox promised when the run began."""
        return self.run.manifest.promises

    @property
    def agents(self) -> str:
        """The hash of the agents that the run began with, whatever the project has now."""
        return self.run.manifest.agents if self.run.state.may_walk else ""

    @property
    def pipeline_name(self) -> str:
        """The recorded name of the pipeline."""
        return self.run.manifest.pipeline

    @property
    def restores_sessions(self) -> bool:
        """Whether conversations that were lost with their process are rebuilt (R11)."""
        return self.overrides.restores_sessions

    def secrets(self, redactor: Redactor) -> Iterable[str]:
        """Return the secrets that are passed again."""
        return self.passed

    def ask(self, project: Project) -> RunRequest:
        """Return the request of the run with the overrides, or refuse a run that has ended."""
        run = self.run
        _require_outermost(run.manifest, run.directory.root, "resume that run: attractor resume {}")
        if run.state.status.is_final:
            # Its workspace may be removed already.
            raise RunOver(
                f"{run.manifest.run_id} is {run.state.status}, which is final",
                hint=(
                    "go back to an earlier visit with attractor rewind, or start a new "
                    "run: attractor run"
                ),
            )
        request = current_request(run.manifest, run.state)
        if not self.is_restart:
            self.overrides.require_withheld(request)
        request = self.overrides.apply(request, project.machine.environ)
        if self.walks:
            require_here(request)
        return request

    def read(self, request: RunRequest, scope: RunScope) -> Read:
        """Prepare the pipeline of the run, or its change that the operator accepts."""
        run = self.run
        saved = read_saved(run.directory, run.manifest, request, scope)
        if not run.state.may_walk or self.is_restart:
            return saved, None
        change = plan_change(run, saved, request, scope, by=self.overrides.accepts_graph)
        return (change.pipeline, change) if change else (saved, None)


@dataclass(frozen=True, kw_only=True)
class Forked:
    """A visit of an earlier run, before which the new run begins.

    With a `graph`, the new run has that pipeline, and the agents that the project has now. With
    `ends_other`, the earlier run ends before the new run begins.
    """

    run: RecordedRun
    point: ForkPoint
    overrides: Overrides = NO_OVERRIDES
    graph: Path | None = None
    root: Path | None = None
    ends_other: bool = False

    walks = True
    is_new = is_resumed = is_restart = False
    run_id = ""

    @property
    def promises(self) -> Promises:
        """What the sandbox of the earlier run promised."""
        return self.run.manifest.promises

    @property
    def agents(self) -> str:
        """The hash of the agents of the earlier run; "" with another pipeline."""
        return "" if self.graph else self.run.manifest.agents

    @property
    def pipeline_name(self) -> str:
        """The recorded name of the pipeline."""
        return self.run.manifest.pipeline

    @property
    def restores_sessions(self) -> bool:
        """Whether conversations that were lost with their process are rebuilt (R11)."""
        return self.overrides.restores_sessions

    def secrets(self, redactor: Redactor) -> Iterable[str]:
        """Return the secrets that are passed again; a changed goal or input is no secret."""
        return self.overrides.repeated(read_request(self.run.manifest)).secrets(redactor)

    def ask(self, project: Project) -> RunRequest:
        """Return the request of the earlier run, with the overrides and the other pipeline."""
        directory = self.run.directory
        if self.root is not None:
            require_free(self.root)
        state = open_journal(directory.events, directory.checkpoint).state
        request = current_request(self.run.manifest, state)
        request = self.overrides.apply(request, project.machine.environ)
        # The caller that started the earlier run may not answer the questions of this one.
        file = self.graph.absolute() if self.graph else request.file
        gallery = "" if self.graph else request.gallery
        request = replace(request, file=file, gallery=gallery, started_by="")
        if not self.ends_other:
            self._require_own_files(request)
        require_trees(request, project, self.run.run_id)
        return request

    def read(self, request: RunRequest, scope: RunScope) -> Read:
        """Prepare the pipeline of the earlier run, which must be unchanged, or the other one."""
        saved = read_saved(self.run.directory, self.run.manifest, request, scope)
        if self.graph:
            pipeline = self._read_changed(self.graph, request, scope)
            return pipeline, PlannedChange(saved, pipeline, _difference(saved, pipeline))
        file = request.file
        is_own = file.is_file() and not request.gallery
        if is_own and hash_of_file(file) != saved.content_hash:
            raise GraphChanged(
                f"{file} was changed since run {self.run.run_id} started",
                hint=f"fork with the changed file: --graph {file}; or restore the old content",
            )
        return saved, None

    def _require_own_files(self, request: RunRequest) -> None:
        """Refuse a run that would use the same folder as the earlier run."""
        run_id = self.run.run_id
        kind = workspace_registry()[request.workspace]
        if kind.is_apart:
            return
        if kind.create is not None:
            place = f"the folder {request.folder or 'of the project'}"
            raise Refused(
                f"run {run_id} works in {place}, which two runs cannot share",
                hint="use attractor rewind: it ends that run and restores the folder",
            )
        if is_held(self.run.directory.lock):
            raise Refused(
                f"run {run_id} is running in the folder of the project",
                hint="wait until it ends, or cancel it and use attractor rewind",
            )

    def _read_changed(self, graph: Path, request: RunRequest, scope: RunScope) -> PipelineSource:
        """Read the other pipeline, which must contain the node at which the new run begins."""
        inputs = None if request.withheld else request.inputs
        opened = OpenedPipeline.of(str(graph), scope.parts.texts)
        pipeline = opened.read(goal=request.goal, inputs=inputs, project=context_of(scope))
        if self.point.node not in pipeline.graph.nodes:
            raise UnknownName(f"node of {graph}", self.point.node, pipeline.graph.nodes)
        return pipeline


Origin = New | Resumed | Forked


def find_fork(root: Path, at: str) -> tuple[RecordedRun, ForkPoint]:
    """Return a run, and the point before a visit `NODE@VISIT`, or before the last of `NODE`."""
    run = read_run(root)
    _require_outermost(run.manifest, root, "fork that run, at the node that runs this pipeline")
    return run, find_fork_point(run, at)


def read_saved(
    directory: RunDirectory, manifest: Manifest, request: RunRequest, scope: RunScope
) -> PipelineSource:
    """Prepare the pipeline in a run directory."""
    return read_saved_pipeline(
        directory,
        manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=scope.parts,
        environ=scope.project.machine.environ,
    )


def _require_outermost(manifest: Manifest, root: Path, hint: str) -> None:
    """Refuse a child, because only its outermost parent can be continued."""
    if root.parent.name == CHILDREN:
        outermost = outermost_run_id(root)
        raise UsageError(
            f"{manifest.run_id} is part of run {outermost}", hint=hint.format(outermost)
        )


def _difference(before: PipelineSource, after: PipelineSource) -> str:
    # Few pipelines are changed during a run.
    from attractor.language.comparison.compare import diff
    from attractor.language.comparison.difference import NO_CHANGE, difference_text

    return difference_text(diff(parse(before.text), parse(after.text))) or NO_CHANGE
