"""What people do with missions: start them, look at their plans, pause, resume and stop them."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import Refused, UsageError
from attractor.base.names import name_after
from attractor.factory.open_project import OpenProject
from attractor.factory.specification import read_committed
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.reading import parse
from attractor.missions.governor import RULES
from attractor.missions.landing import repository_of
from attractor.missions.process import wake
from attractor.missions.records import (
    Accepted,
    History,
    Mission,
    MissionFolder,
    Planned,
    Said,
    Word,
    create_mission,
    missions_of_project,
    require_mission_name,
)
from attractor.missions.runs import CHECK, planned_by
from attractor.workspaces.errors import UnknownCommit

_LARGEST = 1 << 20


def start_mission(asked: Mission, opened: OpenProject, *, is_named: bool) -> MissionFolder:
    """Start a mission at the last commit, on a branch of its own, and let its process begin.

    A specification has to be in that commit. `is_named`: a person chose the name.
    """
    opened.refuse_in_run("'attractor mission start'")
    require_mission_name(asked.name)
    if asked.pipeline:
        _require_pipeline(asked.pipeline, opened)
    if asked.hours <= 0:
        raise UsageError(f"no time for a mission: {asked.hours:g} hours", hint="pass --hours 8")
    missions = missions_of_project(opened)
    if not is_named:
        _refuse_twin(asked, [one.read() for one in missions])
        asked = replace(asked, name=name_after(asked.name, [one.name for one in missions]))
    suite = opened.pin_suite(asked.suite)
    mission = replace(
        asked,
        intent=asyncio.run(_intent_of(asked, opened)),
        base=asyncio.run(_make_branch(asked, opened)),
        suite=suite,
        profile=opened.pin_profile(asked.profile),
        requirements=_requirements_of(suite, asked.spec, opened),
        rules={name: str(getattr(opened.project.missions, name)) for name in RULES},
    )
    folder = create_mission(mission, opened)
    wake(folder, opened)
    return folder


def _require_pipeline(name: str, opened: OpenProject) -> None:
    """Refuse a pipeline for tasks that is no file, or that does not take the check of a task."""
    file = opened.project.root / name
    if not file.is_file():
        hint = "name a file of the project; or leave it out: one agent works on each task"
        raise UsageError(f"no pipeline {name} for the tasks", hint=hint)
    graph = parse(file.read_text("utf-8"), file=name)
    if CHECK not in {one.name for one in declared_inputs(graph)}:
        hint = f'declare it in the graph: inputs="{CHECK}"'
        raise UsageError(f"{name} has no input {CHECK}, the check of a task", hint=hint)


def _refuse_twin(asked: Mission, others: list[History]) -> None:
    for other in others:
        mission = other.mission
        is_same = mission.spec == asked.spec if asked.spec else mission.intent == asked.intent
        if is_same and not other.closed:
            raise Refused(
                f"the mission {mission.name} works on that already",
                hint=f"see: attractor mission show {mission.name}; to start another one: --name",
            )


async def _intent_of(asked: Mission, opened: OpenProject) -> str:
    if not asked.spec:
        if not asked.intent.strip():
            hint = 'say what is wanted: attractor mission start "INTENT", or --from SPEC.md'
            raise UsageError("a mission needs an intent", hint=hint)
        return asked.intent
    text = await read_committed(opened.project, asked.spec)
    if text is None:
        raise UsageError(f"the last commit has no file {asked.spec}", hint="commit it first")
    if len(text.encode()) > _LARGEST:
        raise UsageError(f"{asked.spec} exceeds 1 MiB", hint="write what is wanted in less")
    return asked.intent or f"Build what {asked.spec} describes."


async def _make_branch(asked: Mission, opened: OpenProject) -> str:
    """Make the branch of a mission at the last commit, and return that."""
    repository = await repository_of(opened)
    try:
        commit = await repository.commit("HEAD")
    except UnknownCommit as cause:
        raise UsageError("a mission needs a commit to begin with", hint="git commit") from cause
    ref = f"refs/heads/{asked.branch}"
    if await repository.ref(ref):
        raise Refused(
            f"the branch {asked.branch} exists already",
            hint=f"choose another name: --name NAME; or: git branch -D {asked.branch}",
        )
    await repository.move_ref(ref, "", commit)
    return commit


def _requirements_of(pinned: str, spec: str, opened: OpenProject) -> Mapping[str, str]:
    """Return the sentences that a suite has of the specification."""
    sealed = opened.suite(pinned)
    listed = sealed.suite.requirements if sealed else None
    if listed is None or (spec and listed.spec != spec):
        return {}
    return {one.id: one.sentence for one in listed.requirement}


def accept_plan(folder: MissionFolder, opened: OpenProject, by: str) -> None:
    """Let a mission carry out its plan."""
    history = _open_history(folder)
    if history.plan is None or history.plan.faults or history.is_accepted:
        why = "is carried out already" if history.is_accepted else "has no plan without faults"
        raise Refused(
            f"the mission {folder.name} {why}",
            hint=f"see: attractor mission plan {folder.name}",
        )
    folder.record(Accepted(opened.now(), by))
    wake(folder, opened)


def edit_plan(folder: MissionFolder, text: str, opened: OpenProject, by: str) -> Planned:
    """Replace the plan of a mission by one that a person wrote; refuse one with faults."""
    history = _open_history(folder)
    if history.is_accepted and history.open_runs:
        hint = f"wait for its runs: attractor mission pause {folder.name}"
        raise Refused("the plan is carried out at this moment", hint=hint)
    planned = planned_by(by, text, history, opened)
    if planned.faults:
        raise UsageError("; ".join(planned.faults), hint="mend the file")
    folder.record(planned)
    wake(folder, opened)
    return planned


def say(
    said: Said,
    folder: MissionFolder,
    opened: OpenProject,
    by: str,
    changes: Mapping[str, float | None] | None = None,
    *,
    now: bool = False,
) -> None:
    """Pause, resume or stop a mission; a resumed one may get other limits.

    A pause `now` cancels the runs that work; otherwise they end.
    """
    history = _open_history(folder)
    if changes:
        folder.record(replace(history.mission, **changes))
    folder.record(Word(said, by, opened.now(), now))
    wake(folder, opened)


def _open_history(folder: MissionFolder) -> History:
    history = folder.read()
    if history.closed:
        raise Refused(
            f"the mission {folder.name} has ended: {history.closed.why}",
            hint=f"see: attractor mission report {folder.name}",
        )
    return history


def relative_spec(file: Path, opened: OpenProject) -> str:
    """Return the path of a specification below the project."""
    try:
        return file.absolute().relative_to(opened.project.root).as_posix()
    except ValueError as cause:
        raise UsageError(
            f"{file} is outside of the project", hint="copy it into the project, and commit it"
        ) from cause
