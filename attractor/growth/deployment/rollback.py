"""Rolls an app back: a new stage forward with the code and specification of an earlier one (G13).

It takes the way of a deployment: a commit, a run that only evaluates, a decision, a promotion and
one switch of code and state. The state goes back by `down`; records written since are listed.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.base.files import remove_tree, write_whole
from attractor.base.ids import new_run_id
from attractor.base.journal import Journal, read_lines
from attractor.base.json import canonical_json, content_hash, parse_json
from attractor.base.records import read_record, write_record
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.resources.versions import split_pin
from attractor.growth.apps.divergence import describe_skeleton_change
from attractor.growth.apps.process import export_state, sandbox_of
from attractor.growth.apps.services import adapters_in, configured
from attractor.growth.apps.skeleton import APP_FOLDERS, GENERATED
from attractor.growth.building import Build, commit_stage, stages_at, work_tree
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.deploy import (
    PATIENCE_S,
    Deployment,
    Undertaking,
    note,
    open_deployment,
    undertake,
    write_tree,
)
from attractor.growth.deployment.integrity import pinned_tree
from attractor.growth.deployment.release import Release, Releases
from attractor.growth.deployment.target import ReleaseTarget
from attractor.growth.deployment.transfer import Move, Moved
from attractor.growth.development import DEVELOPMENT, read_development
from attractor.growth.lineage import LINEAGE, rollback_stage, undone_by
from attractor.growth.migration import KEY, State
from attractor.growth.plans.store import DEPLOYMENT, PlanState
from attractor.growth.specification.files import read_spec
from attractor.growth.specification.limits import broken_limits
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run
from attractor.workspaces.git.repository import Repository, open_repository

ROLLBACKS = "rollbacks"
_COMMAND = "attractor grow rollback"
_RECORD = "rollback.json"
_PIPELINE = "restore.dot"
# It does nothing: the commit contains everything, and the suite judges it.
_TEXT = "digraph {} {{ start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }}\n"


@dataclass(frozen=True)
class RollbackRecord:
    """A roll-back: its commit, the stage it returns to, the stages it undoes, and its suite.

    `kept` are the growth plates that a person added since that stage.
    """

    build: Build
    returns_to: str
    undone: tuple[str, ...]
    suite: str
    kept: tuple[str, ...] = ()


async def roll_back(
    control_plane: ControlPlane, to: str, *, branch: str, target: ReleaseTarget, by: str
) -> Deployment:
    """Roll back to a stage (default: the one before), or continue an open roll-back."""
    releases = Releases(control_plane.releases)
    folder = _find_open(control_plane.folder / ROLLBACKS)
    if folder is None:
        with control_plane.lock().acquire(wait=PATIENCE_S, purpose="attractor: grow rollback"):
            folder = await _begin(control_plane, releases, to, branch=branch, by=by)
    value = parse_json((folder / _RECORD).read_bytes())
    assert isinstance(value, dict)
    record = read_record(RollbackRecord, value)
    if to and to != record.returns_to:
        hint = f"finish it, or reject its run: {_COMMAND}"
        raise Refused(f"a roll-back to {record.returns_to} is open", hint=hint)
    configured(control_plane.project, adapters_in(releases.open(record.returns_to).tree))
    broken: list[str] = []
    undertaking = Undertaking(
        folder=folder,
        build=record.build,
        pipeline=folder / _PIPELINE,
        move=_backward(control_plane, releases, record, broken),
        suite=record.suite,
    )
    with open_deployment(folder, _COMMAND) as journal:
        done = await undertake(control_plane, undertaking, journal, target=target, by=by)
    return replace(done, kept=record.kept, broken=tuple(broken))


def _find_open(folder: Path) -> Path | None:
    """Return the folder of the roll-back that has not ended, if there is one."""
    for file in sorted(folder.glob(f"*/{DEPLOYMENT}")):
        last = [parse_json(line.content) for line in read_lines(file)][-1:]
        states = [PlanState(str(one["state"])) for one in last if isinstance(one, dict)]
        if states and not states[0].is_final:
            return file.parent
    return None


async def _begin(
    control_plane: ControlPlane, releases: Releases, to: str, *, branch: str, by: str
) -> Path:
    """Commit the code and specification of the earlier stage as the next stage."""
    project = control_plane.project
    to = _released_before(releases, to)
    _require_guarded(project, releases, to)
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    tip = await repository.commit(f"refs/heads/{branch}")
    stages = await stages_at(project, repository, tip)
    target = next((one for one in stages if one.stage == to), None)
    if target is None:
        hint = "check the branch of the app out: git switch main"
        raise Refused(f"{to} is not in the lineage of the branch {branch}", hint=hint)
    undone = undone_by(stages, target)
    for stage in undone:
        migration = control_plane.plans.load(str(stage.plan["plan_id"])).migration
        if not migration.is_reversible:
            hint = "grow forward by a plan instead"
            raise Refused(f"{stage.stage} is not reversible: {migration.describe()}", hint=hint)
    name = new_run_id(project.machine.clock.now(), project.machine.randomness)
    folder = control_plane.folder / ROLLBACKS / name
    earlier = folder / "earlier"
    earlier.mkdir(parents=True)
    pinned = await pinned_tree(project, releases.open(target.stage))
    await write_tree(project, pinned.commit, earlier)

    generated = pinned.files.get(GENERATED)
    pin = content_hash(generated) if generated else ""
    restore = partial(_restore, earlier)
    stage = replace(rollback_stage(stages, target), generated=pin)
    kept = await _plates_since(project, repository, tip, earlier)
    commit = await commit_stage(project, repository, stage, restore, tip=tip, ref=name)
    remove_tree(earlier)
    manifest = read_manifest(
        RunDirectory(find_run(releases.open(target.stage).record.run_id, project.runs_dir))
    )
    (folder / _PIPELINE).write_text(_TEXT.format(manifest.pipeline))
    goal = f"Roll back to {target.stage}"
    if pin and (change := describe_skeleton_change(pinned.files)):
        version = manifest.versions.get("attractor", "unknown")
        goal += f", which goes back to the skeleton of version {version}: {change}"
    record = RollbackRecord(
        Build("", branch, tip, commit, stage.stage, goal, _COMMAND),
        target.stage,
        tuple(one.stage for one in undone),
        split_pin(manifest.suite)[0],
        kept,
    )
    write_whole(folder / _RECORD, canonical_json(write_record(record)))
    with Journal.open(folder / DEPLOYMENT) as journal:
        note(journal, PlanState.DEPLOYING, by=by)
    return folder


def _released_before(releases: Releases, to: str) -> str:
    """Return the stage to return to (default: the one before the running one)."""
    current = releases.current
    to = to or (current.record.follows if current else "")
    if current is None or not to:
        raise Refused("there is no stage to roll back to", hint="look: attractor grow lineage")
    released = [one.record.stage for one in releases.before(current.record.stage)]
    if to not in released:
        hint = f"known: {', '.join(released) or 'none'}"
        raise UsageError(f"{to} was not released before {current.record.stage}", hint=hint)
    return to


def _require_guarded(project: Project, releases: Releases, to: str) -> None:
    """Refuse to go back to a stage without roles while others than this machine reach the app."""
    growth, current = project.growth, releases.current
    if not growth or not (growth.hosts or growth.proxy_user_header) or current is None:
        return
    if _has_roles(current) and not _has_roles(releases.open(to)):
        fault = f"{to} has no roles: everybody who reaches growth.hosts could do everything"
        hint = "remove growth.hosts and growth.proxy_user_header from attractor.toml, then: "
        raise Refused(fault, hint=f"{hint}attractor grow restart; {_COMMAND} {to}")


def _has_roles(release: Release) -> bool:
    return any(read_spec(release.tree).of_kind("role"))


async def _plates_since(
    project: Project, repository: Repository, tip: str, earlier: Path
) -> tuple[str, ...]:
    """Return the growth plates at a commit that an earlier tree does not have."""
    async with work_tree(project, repository, tip) as tree:
        now = _plates_of(tree)
    return tuple(one for one in now if one not in _plates_of(earlier))


def _plates_of(tree: Path) -> Sequence[str]:
    if not (tree / DEVELOPMENT).exists():
        return ()
    plates = read_development(tree).plates
    return [f"{one.organ} accepts {', '.join(one.accepts)}" for one in plates]


def _restore(earlier: Path, tree: Path) -> None:
    """Replace code and specification of a tree, but keep its lineage.

    `development.toml` is the person's: no plan changes it, and no roll-back takes it back.
    """
    kept = earlier / LINEAGE
    if kept.exists():
        remove_tree(kept)
    shutil.copytree(tree / LINEAGE, kept)
    (earlier / DEVELOPMENT).unlink(missing_ok=True)
    if (tree / DEVELOPMENT).exists():
        shutil.copyfile(tree / DEVELOPMENT, earlier / DEVELOPMENT)
    for name in APP_FOLDERS:
        if (tree / name).exists():
            remove_tree(tree / name)
        if (earlier / name).exists():
            shutil.copytree(earlier / name, tree / name, symlinks=True)


def _backward(
    control_plane: ControlPlane, releases: Releases, record: RollbackRecord, broken: list[str]
) -> Move:
    """Return the move of the state back through the undone stages; it adds the broken limits."""

    async def move(state: State) -> Moved:
        listed: set[str] = set()
        written = _ids(state)
        for stage in record.undone:
            release = releases.open(stage)
            plan = control_plane.plans.load(release.record.plan_id)
            state, defaulted = plan.migration.down(state, release.residue)
            listed.update(defaulted)
        earlier, current = releases.open(record.returns_to), releases.current
        now = read_spec(current.tree) if current else None
        today = control_plane.project.machine.clock.now().date().isoformat()
        broken[:] = broken_limits(now, read_spec(earlier.tree), state, today)
        sandbox = await sandbox_of(control_plane.project)
        before = await export_state(earlier.tree, earlier.state, sandbox=sandbox)
        return Moved(state, None, sorted(listed | (written - _ids(before))))

    return move


def _ids(state: State) -> set[str]:
    return {f"{entity}/{record[KEY]}" for entity, records in state.items() for record in records}
