"""Deployments of an app, roll-backs and its lineage.

Each function returns the record that a command prints with `--json` and HTTP answers.
"""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.state.run_state import APPROVED, AWAITING_ANSWER, AWAITING_DECISION
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.history.audit import AuditReport, Flaw
from attractor.factory.open_project import open_project
from attractor.factory.project import list_project_folders
from attractor.growth.api.crew_pipeline import crew_pipeline
from attractor.growth.apps.process import sandbox_of
from attractor.growth.apps.services import adapters_in, configured
from attractor.growth.building import find_crew_run, read_build
from attractor.growth.control_plane import ControlPlane, releases_in
from attractor.growth.deployment.app_supervisor import app_process, next_run
from attractor.growth.deployment.backup import Backup, open_backup, restore_backup, write_backup
from attractor.growth.deployment.deploy import (
    PATIENCE_S,
    Deployment,
    branch_of,
    deploy as deploy_plan,
    end_recording,
)
from attractor.growth.deployment.history import read_history
from attractor.growth.deployment.integrity import check_release
from attractor.growth.deployment.monitor import compare_telemetry
from attractor.growth.deployment.release import Release, Releases
from attractor.growth.deployment.resting_app import RestingApp
from attractor.growth.deployment.rollback import roll_back
from attractor.growth.deployment.start import start_release, started_after_failure
from attractor.growth.deployment.target import target_registry
from attractor.growth.deployment.targets.local import find_address, find_services, stop
from attractor.growth.lineage import draw_lineage
from attractor.growth.simulation.traffic import HEAD
from attractor.supervision.process import ProcessStatus


def deploy(
    control_plane: ControlPlane,
    reference: str,
    *,
    by: str,
    pipeline: Path | None = None,
    target: str = "local",
    variant: str = "",
) -> dict[str, Json]:
    """Deploy a plan as far as people and gate let it; return the run, the stage and `waits_for`."""
    plan = control_plane.plans.load(reference)
    place = target_registry()[target]
    missing = list[Json](control_plane.coverage(plan).missing)

    async def work() -> Deployment:
        return await deploy_plan(
            control_plane,
            plan,
            branch=await branch_of(control_plane),
            pipeline=pipeline or await crew_pipeline(control_plane, plan),
            target=place,
            by=by,
            variant=variant,
        )

    return {**asyncio.run(work()).to_dict(), "missing": missing}


def record_traffic(
    control_plane: ControlPlane, *, is_on: bool, target: str = "local"
) -> dict[str, Json]:
    """Let the running app record its traffic, or end that; return its address and the recording.

    The app is started again, because a recording begins with the state of that moment.
    """
    releases, place = Releases(control_plane.releases), target_registry()[target]
    current = _current(control_plane, releases)
    name, mark = "", current.record_mark
    # Before the app is stopped: a missing setting is refused.
    configured(control_plane.project, adapters_in(current.tree))
    lock = control_plane.lock().acquire(wait=PATIENCE_S, purpose="attractor: grow record")
    with lock, RestingApp() as resting:
        with place.drained(releases, resting):
            if not is_on:
                name = end_recording(control_plane, current)
            mark.touch() if is_on else mark.unlink(missing_ok=True)
        url = asyncio.run(start_release(control_plane.project, releases, place, resting))
    return {"url": url, "recording": name, "is_recorded": is_on}


def backup(control_plane: ControlPlane, file: Path | None = None) -> dict[str, Json]:
    """Write the records of the running app into a file that was opened; return its path."""
    current = _current(control_plane, Releases(control_plane.releases))
    now = control_plane.project.machine.clock.now()
    file = file or _backup_file(control_plane, current, now)

    async def work() -> Backup:
        sandbox = await sandbox_of(control_plane.project)
        return await write_backup(current, file, sandbox, now=now)

    return _describe_backup(asyncio.run(work()), file)


def restore(control_plane: ControlPlane, file: Path) -> dict[str, Json]:
    """Replace the records of the running app by those of a backup, and start it again.

    The replaced records are in a backup of their own, whose path is in `replaced`.
    """
    releases, place = Releases(control_plane.releases), target_registry()["local"]
    current, project = _current(control_plane, releases), control_plane.project
    # Before the app is stopped: a missing setting is refused.
    configured(project, adapters_in(current.tree))
    now = project.machine.clock.now()
    replaced = _backup_file(control_plane, current, now)

    async def work(resting: RestingApp) -> tuple[Backup, str]:
        sandbox = await sandbox_of(project)
        wanted = await open_backup(current, file, sandbox)
        with place.drained(releases, resting):
            async with started_after_failure(project, releases, place, resting):
                await write_backup(current, replaced, sandbox, now=now)
                await restore_backup(current, wanted, sandbox)
        return wanted, await start_release(project, releases, place, resting)

    lock = control_plane.lock().acquire(wait=PATIENCE_S, purpose="attractor: grow restore")
    with lock, RestingApp() as resting:
        restored, url = asyncio.run(work(resting))
    return {**_describe_backup(restored, file), "replaced": str(replaced), "url": url}


def _backup_file(control_plane: ControlPlane, current: Release, now: datetime) -> Path:
    name = f"{current.record.stage}-{now:%Y%m%dT%H%M%S%f}.json"
    return control_plane.folder / "backups" / name


def _describe_backup(backup: Backup, file: Path) -> dict[str, Json]:
    counts: dict[str, Json] = {entity: len(records) for entity, records in backup.state.items()}
    return {"file": str(file), "stage": backup.stage, "made": backup.made, "records": counts}


def stop_app(control_plane: ControlPlane) -> dict[str, Json]:
    """Stop the running app: it answers its requests, and is not started again by itself."""
    releases = Releases(control_plane.releases)
    current = _current(control_plane, releases)
    with control_plane.lock().acquire(wait=PATIENCE_S, purpose="attractor: grow stop"):
        stop(releases)
    return {"stopped": current.record.stage}


def start_app(control_plane: ControlPlane, *, is_again: bool = False) -> dict[str, Json]:
    """Start the current release unless it runs, or stop it first; return its stage and address."""
    releases, place = Releases(control_plane.releases), target_registry()["local"]
    current = _current(control_plane, releases)
    # Before the app is stopped: a missing setting is refused.
    configured(control_plane.project, adapters_in(current.tree))
    lock = control_plane.lock().acquire(wait=PATIENCE_S, purpose="attractor: grow start")
    with lock, RestingApp() as resting:
        with place.drained(releases, resting) if is_again else nullcontext():
            pass
        url = asyncio.run(start_release(control_plane.project, releases, place, resting))
    return {"running": current.record.stage, "url": url}


def find_app(control_plane: ControlPlane) -> dict[str, Json]:
    """Return the stage and the address of the running app; refuse one that does not answer."""
    releases = Releases(control_plane.releases)
    stage = _current(control_plane, releases).record.stage
    if url := find_address(releases):
        return {"running": stage, "url": url}
    raise UsageError(f"{stage} does not answer", hint="start it: attractor grow start")


def _current(control_plane: ControlPlane, releases: Releases) -> Release:
    if releases.current is None:
        # Names a missing link.
        asyncio.run(check_release(control_plane.project, releases))
        raise UsageError("no app runs", hint="deploy a plan: attractor grow deploy PLAN")
    return releases.current


def describe_app(control_plane: ControlPlane) -> dict[str, Json]:
    """Return the running release, whether it answers, its changed telemetry, and recordings.

    `supervisor` is `running`, `left` (it was killed, and its app was left running), `gone` (it went
    down, and nobody stopped it) or `none` (a person stopped it, or no app was started). `next_run`
    is the time at which the cadence runs the next pipeline, or empty if no supervisor runs it.
    `faults` are files and packages of the release that differ, and `updated` packages have another
    version.
    """
    releases = Releases(control_plane.releases)
    current = releases.current
    check = asyncio.run(check_release(control_plane.project, releases))
    heads = sorted(control_plane.recordings.glob(f"*/{HEAD}"), key=lambda one: one.stat().st_mtime)
    newest = datetime.fromtimestamp(heads[-1].stat().st_mtime, UTC) if heads else None
    supervisor = app_process(releases.folder).status
    # An edited specification may be unreadable, and its faults are named.
    is_right = supervisor is ProcessStatus.RUNNING and check is not None and not check.faults
    due = next_run(releases.folder, current) if current and is_right else None
    return {
        "running": current.record.stage if current else "",
        "plan_id": current.record.plan_id if current else "",
        "supervisor": supervisor.value,
        "url": find_address(releases) if current else "",
        "sandbox": check.sandbox if check else "",
        "faults": [write_fields(one) for one in check.faults] if check else [],
        "updated": list[Json](check.updated) if check else [],
        "services": dict(find_services(releases)) if current else {},
        "next_run": due.isoformat(timespec="seconds") if due else "",
        "is_recorded": bool(current and current.record_mark.exists()),
        "recordings": len(heads),
        "newest_recording": newest.isoformat(timespec="seconds") if newest else "",
        "changes": [write_fields(one) for one in compare_telemetry(releases)],
    }


def audit_releases(report: AuditReport, state: Path, environ: Mapping[str, str]) -> None:
    """Verify the running releases of all projects of a state folder, and add their flaws."""
    for folder in list_project_folders(state):
        releases = Releases(releases_in(folder.runs_dir))
        if not folder.has_runs or not releases.folder.is_dir():
            continue
        place = f"the app in {folder.root}"
        try:
            given = {**environ, "ATTRACTOR_STATE_DIR": str(state)}
            project = open_project(folder.root, given).project
            check = asyncio.run(check_release(project, releases))
            if check is None:
                continue
            for fault in check.faults:
                problem = f"{place}: {fault.describe()}"
                report.flaws.append(Flaw(check.release.record.run_id, problem, fault.remedy))
        except AttractorError as fault:
            report.flaws.append(Flaw("", f"{place}: {fault.message}", fault.hint))
        report.releases += 1


_WAITS_FOR = {AWAITING_DECISION: "decision", AWAITING_ANSWER: "answer", APPROVED: ""}


def deployment(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return the answer of `POST /growth/deploy`: the run, the stage and `waits_for`."""
    plan = control_plane.plans.load(reference)
    project = control_plane.project
    build = read_build(control_plane.plans.folder_of(plan.id))
    run = find_crew_run(project, build.commit) if build else None
    if build is None or run is None:
        hint = f"attractor grow deploy {plan.id}"
        raise UsageError(f"the deployment of {plan.id} has not begun", hint=hint)
    facts = read_candidate_run(run)
    waits_for = _WAITS_FOR.get(facts.state.status, "run")
    return {"run_id": facts.run_id, "stage_id": build.stage, "waits_for": waits_for}


def rollback(
    control_plane: ControlPlane, to: str = "", *, by: str, target: str = "local"
) -> dict[str, Json]:
    """Roll back to a stage (default: the one before), as far as people and gate let it."""
    place = target_registry()[target]

    async def work() -> Deployment:
        branch = await branch_of(control_plane)
        return await roll_back(control_plane, to, branch=branch, target=place, by=by)

    return asyncio.run(work()).to_dict()


def lineage(control_plane: ControlPlane, reference: str = "HEAD") -> dict[str, Json]:
    """Return the answer of `GET /lineage/:id`: all stages, and the one with an id.

    `changes` compare the telemetry of the running stage with that of the stage before. The id is
    `HEAD` (the running stage), a stage, or the specification of a stage.
    """
    history = asyncio.run(read_history(control_plane.project))
    stages = [one.stage for one in history]
    releases = Releases(control_plane.releases)
    current = releases.current
    running = current.record.stage if current else ""
    wanted = running if reference == "HEAD" else reference
    named = [stage for stage in stages if wanted in (stage.stage, f"sg-{stage.spec_hash[:12]}")]
    if wanted and not named:
        raise UnknownName("stage", reference, [stage.stage for stage in stages])
    return {
        "id": named[-1].stage if named else "",
        "running": running,
        "stages": [one.to_dict() for one in history],
        "changes": [write_fields(one) for one in compare_telemetry(releases)],
        "mermaid": draw_lineage(stages),
    }
