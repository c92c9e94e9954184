"""The plan of a run, and the policy that it follows: plain values."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets
from attractor.engine.questions.call_rules import SANDBOX_LIMITS, CallPermissions
from attractor.engine.run_folder.open_run import BeforeEnd, OpenRun
from attractor.engine.seams import PlayTrain, StageMemory, Workspace
from attractor.environments.selection import EnvironmentChoice, with_network
from attractor.language.preparation.prepare import Transform
from attractor.pipeline.plan.origins import Origin
from attractor.pipeline.preflight.preflight import PreflightReport
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.accept_change import PlannedChange
from attractor.pipeline.source.read import PipelineSource
from attractor.pipeline.workspace.place import choose_place
from attractor.records.request import RunRequest


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the pinned suite and profile of a run allow and demand.

    `readable` are paths, and `passed_variables` the names of variables, that a sandbox shows;
    `sandbox_env` are variables that it adds. `carry` are more paths that workspaces get. The run
    does not exceed `budgets`. With `asks_providers`, the first stage begins only if the model
    providers of the run answer. Without `delivers`, another process delivers the result. `notices`
    are sentences for a person. With `needs_ports`, the suite judges only in a sandbox with ports.
    `task_note` ends the prompt of each task for an agent. `permissions` are at least those of each
    run. The `memory` has the lessons of the project.

    `admit` refuses a pipeline before a run exists. `begin` is called before the first stage, and
    `finish` after a successful walk; without `finish`, the run keeps waiting for its evaluation.
    `train` returns the function by which stages play train scenarios.
    """

    suite: str = ""
    profile: str = ""
    readable: Sequence[Path] = ()
    passed_variables: Sequence[str] = ()
    sandbox_env: Mapping[str, str] = field(default_factory=dict[str, str])
    carry: Sequence[str] = ()
    transforms: Sequence[Transform] = ()
    budgets: Budgets = NO_BUDGETS
    asks_providers: bool = True
    delivers: bool = True
    notices: Sequence[str] = ()
    needs_ports: bool = False
    task_note: str = ""
    permissions: CallPermissions = SANDBOX_LIMITS
    memory: StageMemory | None = None
    admit: Callable[[PipelineSource, Path], None] = do_nothing
    begin: Callable[["BegunRun"], None] = do_nothing
    finish: Callable[["BegunRun"], Awaitable[None]] | None = None
    train: Callable[["BegunRun"], PlayTrain] | None = None

    def scope_in(self, project: Project, secrets: Iterable[str] = ()) -> RunScope:
        """Return the scope of a run of a project, with the additions of this policy."""
        parts, wanted = project.parts, project.preparation
        return replace(
            RunScope.of(project, secrets),
            parts=replace(parts, transforms=(*parts.transforms, *self.transforms)),
            preparation=replace(wanted, carry=tuple(dict.fromkeys((*wanted.carry, *self.carry)))),
            readable=(*project.readable, *self.readable),
            passed_variables=self.passed_variables,
            sandbox_env={**project.sandbox_env, **self.sandbox_env},
            memory=self.memory,
        )


FindPolicy = Callable[[Origin, RunRequest], Awaitable[Policy]]
"""Returns the policy of a run; the request of a new run can name suites that are not pinned."""


AwaitTurn = Callable[["BegunRun"], Awaitable[None]]
"""Waits before the first stage of a run, or not."""


async def _no_policy(origin: Origin, request: RunRequest) -> Policy:
    return Policy(suite=request.suite, profile=request.profile)


@dataclass(frozen=True)
class RunRules:
    """How a project governs its runs: the policy of each, and the record of their ends.

    `before_end` records the final status of a run outside of the run directory. `await_turn`
    returns when the first stage of a run may begin.
    """

    find_policy: FindPolicy = _no_policy
    before_end: BeforeEnd = do_nothing
    await_turn: AwaitTurn | None = None


UNGOVERNED = RunRules()
"""The rules for runs that nothing judges, such as those of a bare engine."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A run that can begin if preflight found no fault; nothing of it is written yet.

    `scope` contains the secrets of the run, and the additions of its `policy`. With a `change`, the
    pipeline is another one than before.
    """

    origin: Origin
    run_id: str
    scope: RunScope
    rules: RunRules
    policy: Policy
    request: RunRequest
    pipeline: PipelineSource
    change: PlannedChange | None
    report: PreflightReport

    @property
    def sandbox(self) -> EnvironmentChoice:
        """The sandbox of the run; raise all faults that preflight found."""
        return self.report.require_ok()

    @property
    def sandbox_of_stages(self) -> EnvironmentChoice:
        """The sandbox of the stages, which a command may open, or their place.

        Trials have the closed sandbox of this machine.
        """
        if self.request.place:
            self.report.require_ok()
            return choose_place(self.request, self.scope.project, self.run_id, self.report.promises)
        command = self.request.command
        return with_network(self.sandbox) if command and command.opens_network else self.sandbox

    @property
    def budgets(self) -> Budgets:
        """The budgets of the run: of its caller or its graph, within those of its policy."""
        own = self.request.budgets.over(read_budgets(self.pipeline.graph))
        return own.within(self.policy.budgets)

    @property
    def permissions(self) -> CallPermissions:
        """The permissions of the run, with those of its policy."""
        return (self.request.permissions or SANDBOX_LIMITS).within(self.policy.permissions)


@dataclass(frozen=True)
class BegunRun:
    """A run that can be walked: its plan, its open directory, and its workspace."""

    plan: RunPlan
    run: OpenRun
    workspace: Workspace
