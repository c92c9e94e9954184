"""Deploys a plan: checks, plan commit, crew, decision, state, promotion, switch (ruling G12).

A killed deployment is resumed by the same command. Nothing is remembered that could disagree with
the world: each step looks whether it was done. The crew's run belongs to the plan commit, the
promotion to the ledger, and code with state to the link `current`.
"""

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, NoGo
from attractor.base.journal import Journal
from attractor.base.json import Json, canonical_json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_ANSWER,
    AWAITING_DECISION,
    CANCELED,
    FAILED,
    REJECTED,
)
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.errors import StaleBase
from attractor.factory.evaluation.gate import gate
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.promote import promote_run
from attractor.growth.apps.process import sandbox_of
from attractor.growth.apps.routes import declared_operations
from attractor.growth.apps.services import adapters_in, configured, urls_in
from attractor.growth.apps.skeleton import APP_FOLDERS
from attractor.growth.building import (
    Build,
    CrewRun,
    build_plan,
    deploying_command,
    find_crew_run,
    read_build,
    run_crew,
    work_tree,
)
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.checkout import require_clean, require_clean_before_run
from attractor.growth.deployment.integrity import record_release, require_right_release
from attractor.growth.deployment.monitor import Change, compare_telemetry
from attractor.growth.deployment.release import BUBBLEWRAP, NONE, Release, ReleaseRecord, Releases
from attractor.growth.deployment.requirements import NotDeployable, require_deployable
from attractor.growth.deployment.resting_app import RestingApp
from attractor.growth.deployment.start import start_release, started_after_failure
from attractor.growth.deployment.target import ReleaseTarget
from attractor.growth.deployment.transfer import Move, forward, transfer
from attractor.growth.lineage import newest, read_stages
from attractor.growth.plans.plan import Plan
from attractor.growth.plans.store import DECISION, DEPLOYMENT, DEPLOYMENT_LOCK, REJECTION, PlanState
from attractor.growth.simulation.recorded import take_over
from attractor.growth.specification.files import read_spec
from attractor.pipeline.project.project import Project
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import Repository, open_repository

PATIENCE_S = 60.0
_AGAIN = "make another plan: attractor grow plan"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """How far a deployment is; it `waits_for` an answer, a decision, or nothing.

    `listed` are records with default values, `changes` are those of the telemetry,
    `sandbox` is where the app runs, and `services` are the addresses that it calls, by adapter.
    `kept` are growth plates that a person added since the stage to which a roll-back returns, and
    `broken` says which of its limits records break.
    """

    plan_id: str
    run_id: str
    stage: str
    waits_for: str = ""
    url: str = ""
    listed: Sequence[str] = ()
    changes: Sequence[Change] = ()
    sandbox: str = ""
    services: Mapping[str, str] = field(default_factory=dict[str, str])
    kept: Sequence[str] = ()
    broken: Sequence[str] = ()

    def to_dict(self) -> dict[str, Json]:
        """Return the JSON record."""
        return write_fields(self, stage="stage_id")


@dataclass(frozen=True, kw_only=True)
class Undertaking:
    """A stage to be released: its folder of records, its plan commit, and the move of state."""

    folder: Path
    build: Build
    pipeline: Path
    move: Move
    suite: str = ""
    plan_id: str = ""
    is_reversible: bool = True


async def deploy(
    control_plane: ControlPlane,
    plan: Plan,
    *,
    branch: str,
    pipeline: Path,
    target: ReleaseTarget,
    by: str,
    variant: str = "",
) -> Deployment:
    """Deploy a plan as far as people and gate let it; call it again to continue.

    A `variant` is a new branch at the tip of the other one, whose app is not released here.
    """
    folder = control_plane.plans.folder_of(plan.id)
    project = control_plane.project
    with open_deployment(folder, deploying_command(plan.id, variant)) as journal:
        repository = await open_repository(project.root, search_path=project.machine.search_path)
        kept = read_build(folder)
        is_dropped = control_plane.plans.is_dropped(plan.id)
        if kept is None or is_dropped or not await _is_promoted(repository, kept):
            with control_plane.lock().acquire(wait=PATIENCE_S, purpose="attractor: grow deploy"):
                if not variant:
                    configured(project, declared_operations(plan.result))
                    await require_right_release(project, Releases(control_plane.releases))
                _require_deployable(control_plane, plan, journal)
                note(journal, PlanState.DEPLOYING, by=by)
            kept = await build_plan(project, folder, plan, branch=branch, variant=variant)
        undertaking = Undertaking(
            folder=folder,
            build=kept,
            pipeline=pipeline,
            move=forward(plan.migration, again=kept.command),
            plan_id=plan.id,
            is_reversible=plan.migration.is_reversible,
        )
        return await undertake(
            control_plane, undertaking, journal, target=target, by=by, variant=variant
        )


@contextmanager
def open_deployment(folder: Path, purpose: str) -> Generator[Journal]:
    """Yield the journal of a deployment, or raise LockHeld with the process that deploys."""
    with (
        FileLock(folder / DEPLOYMENT_LOCK).acquire(purpose=purpose),
        Journal.open(folder / DEPLOYMENT) as journal,
    ):
        yield journal


def _require_deployable(control_plane: ControlPlane, plan: Plan, journal: Journal) -> None:
    """Refuse a plan as `require_deployable` does; the deployment that was killed is over then."""
    try:
        require_deployable(control_plane, plan)
    except NotDeployable:
        if control_plane.plans.recorded_state(plan.id) is PlanState.DEPLOYING:
            note(journal, PlanState.FAILED)
        raise


async def branch_of(control_plane: ControlPlane) -> str:
    """Return the branch on which an app grows: the one that is checked out."""
    project = control_plane.project
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    if branch := await repository.checked_out_branch():
        return branch
    raise NotDeployable("no branch is checked out", hint="check one out: git switch main")


async def _is_promoted(repository: Repository, build: Build) -> bool:
    """Return whether a branch contains a plan commit, which only a promotion brings there."""
    branches = await repository.git.run(
        "for-each-ref", "--format=%(refname)", f"--contains={build.commit}", "refs/heads"
    )
    return any(not line.startswith("refs/heads/attractor/") for line in branches.splitlines())


async def undoing_command(control_plane: ControlPlane, plan_id: str) -> str:
    """Return the command that takes a promoted plan off its branch again, or ""."""
    project, build = control_plane.project, read_build(control_plane.plans.folder_of(plan_id))
    if build is None:
        return ""
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    branch = await repository.ref(f"refs/heads/{build.branch}")
    promoted = branch and await repository.git.run(
        "rev-list", "--reverse", "--ancestry-path", f"{build.commit}..{branch}"
    )
    return f"git revert --no-edit {build.tip}..{promoted.split()[0]}" if promoted else ""


async def undertake(
    control_plane: ControlPlane,
    undertaking: Undertaking,
    journal: Journal,
    *,
    target: ReleaseTarget,
    by: str,
    variant: str = "",
) -> Deployment:
    """Run, wait for a decision, promote and release a stage, as far as it goes now."""
    project, build = control_plane.project, undertaking.build
    await require_clean_before_run(project, build, variant=variant)
    try:
        run = await run_crew(
            project,
            build,
            pipeline=undertaking.pipeline,
            evaluate=True,
            suite=undertaking.suite,
        )
        waits_for = "" if run.status == REJECTED else _missing(run, project, journal)
    except AttractorError:
        if _has_failed(project, build):
            note(journal, PlanState.FAILED)
        raise
    so_far = Deployment(plan_id=undertaking.plan_id, stage=build.stage, run_id=run.run_id)
    if run.status == REJECTED:
        note(journal, PlanState.DROPPED, run_id=run.run_id)
        raise NoGo(f"{run.run_id} was rejected, nothing was deployed", hint=_AGAIN)
    if waits_for in ("", DECISION) and not variant:
        await require_clean(project, build, f"refs/heads/attractor/run/{run.run_id}")
    if waits_for:
        note(journal, PlanState.PARKED, run_id=run.run_id, waits_for=waits_for)
        return replace(so_far, waits_for=waits_for)
    releases = Releases(control_plane.releases)
    with control_plane.lock().acquire(wait=PATIENCE_S, purpose=build.command):
        if variant:
            await _promote_variant(project, run, variant, by)
        else:
            listed = ()
            with RestingApp() as resting:
                if not _is_released(releases, build.stage):
                    listed = await _release(
                        control_plane, releases, undertaking, run, resting, target=target, by=by
                    )
                url = await _finish(project, releases, undertaking, target, resting)
            release = releases.open(build.stage)
            services = urls_in(configured(project, adapters_in(release.tree)), release.tree)
            so_far = replace(
                so_far,
                url=url,
                listed=listed,
                sandbox=release.record.sandbox,
                services=services,
            )
    note(journal, PlanState.DEPLOYED, run_id=run.run_id)
    return replace(so_far, changes=() if variant else compare_telemetry(releases))


def note(journal: Journal, state: PlanState, **facts: str) -> None:
    """Append how far a deployment is to its journal."""
    journal.append(canonical_json({"state": state.value, **facts}))


def _missing(run: CrewRun, project: Project, journal: Journal) -> str:
    """Return the next `waits_for` of a run, or "" if it was approved; refuse a run that failed.

    After a no-go, the run waits for a person who rejects it.
    """
    if run.status == APPROVED:
        return ""
    if run.status == AWAITING_DECISION:
        report = gate(ask_gate(run.directory, OpenProject(project))[1])
        if not report.go:
            note(journal, PlanState.PARKED, run_id=run.run_id, waits_for=REJECTION)
            rules = ", ".join(dict.fromkeys(reason.rule for reason in report.reasons))
            hint = f"look: attractor gate {run.run_id}"
            raise NoGo(f"no-go for {run.run_id}: {rules}", hint=hint)
        return DECISION
    if run.status == AWAITING_ANSWER:
        return "answer"
    if run.status == FAILED or run.status.is_final:
        hint = f"look: attractor diagnose {run.run_id}; the next call starts another run"
        raise AttractorError(f"the run {run.run_id} {run.status}", hint=hint)
    return "run"


def _has_failed(project: Project, build: Build) -> bool:
    """Return whether no run on a plan commit is alive, waits or can be resumed."""
    root = find_crew_run(project, build.commit)
    return root is None or read_candidate_run(root).state.status in (FAILED, CANCELED)


def _is_released(releases: Releases, stage: str) -> bool:
    current = releases.current
    if current is None:
        return False
    return stage in (
        current.record.stage,
        *(one.record.stage for one in releases.before(current.record.stage)),
    )


async def _promote_variant(project: Project, run: CrewRun, variant: str, by: str) -> None:
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    if not await repository.ref(f"refs/heads/{variant}"):
        await repository.create_ref(f"refs/heads/{variant}", run.build.tip)
    await promote_run(run.directory, OpenProject(project), branch=variant, by=by)


async def _release(
    control_plane: ControlPlane,
    releases: Releases,
    undertaking: Undertaking,
    run: CrewRun,
    resting: RestingApp,
    *,
    target: ReleaseTarget,
    by: str,
) -> Sequence[str]:
    """Bring state and code over to the new stage, while the app rests.

    Until the switch, the old release is only read: a killed deployment leaves it as it was.
    """
    project, build = control_plane.project, undertaking.build
    # Again, because days may pass before a decision.
    await require_right_release(project, releases)
    old, sandbox = releases.current, await sandbox_of(project)
    record = ReleaseRecord(
        stage=build.stage,
        run_id=run.run_id,
        plan_id=undertaking.plan_id,
        follows=old.record.stage if old else "",
        sandbox=BUBBLEWRAP if sandbox.make_showing else NONE,
    )
    # The app still runs: it rests only while its state is moved.
    new = releases.begin(record)
    await write_tree(project, f"refs/heads/attractor/run/{run.run_id}", new.tree)
    if old:
        # The migration of a stage begins with the state of the running release.
        stage = newest(read_stages(new.tree))
        if stage.parent != old.record.stage:
            hint = f"finish or undo the deployment of {stage.parent} first: attractor grow status"
            fault = f"{stage.stage} follows {stage.parent}, and {old.record.stage} runs"
            raise NotDeployable(fault, hint=hint)
    services = configured(project, adapters_in(new.tree))
    async with AsyncExitStack() as stack:
        failing = started_after_failure(project, releases, target, resting)
        await stack.enter_async_context(failing)
        stack.enter_context(target.drained(releases, resting))
        if old:
            end_recording(control_plane, old)
        moved = await transfer(old, new, undertaking.move, sandbox, services)
        try:
            promotion = await promote_run(
                run.directory, OpenProject(project), branch=build.branch, by=by
            )
        except StaleBase as cause:
            hint = f"the next call builds it on the moved branch: {undertaking.build.command}"
            raise NotDeployable(f"stale_base: {cause.message}", hint=hint) from cause
        record = replace(record, commit=promotion.commit)
        releases.complete(Release(new.folder, record), moved.residue)
        releases.switch(build.stage)
        record_release(project, releases.open(build.stage))
    return moved.defaulted


def end_recording(control_plane: ControlPlane, release: Release) -> str:
    """Take over the recording of a stopped app; return its name, or "" without a recording."""
    project = control_plane.project
    return take_over(
        release.recorded,
        control_plane.recordings,
        read_spec(release.tree),
        now=project.machine.clock.now(),
        redact=project.redactor.text,
    )


async def _finish(
    project: Project,
    releases: Releases,
    undertaking: Undertaking,
    target: ReleaseTarget,
    resting: RestingApp,
) -> str:
    """Start the app of a stage, unless a later stage has taken its place; return its address."""
    stage, current = undertaking.build.stage, releases.current
    if current is None or current.record.stage != stage:
        return ""
    if not undertaking.is_reversible:
        releases.forget_before(stage)
    return await start_release(project, releases, target, resting)


async def write_tree(project: Project, commit: str, folder: Path) -> None:
    """Write code and specification of a commit into a folder; holdouts stay out."""
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    async with work_tree(project, repository, commit) as tree:
        for name in APP_FOLDERS:
            if (tree / name).is_dir():
                copy = partial(shutil.copytree, tree / name, folder / name, symlinks=True)
                await in_thread(copy)
