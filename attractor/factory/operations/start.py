"""Starts a run: pins suite and profile, walks the pipeline, and evaluates the result."""

from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import changed
from attractor.config.user_folders import STARTED_BY_VARIABLE
from attractor.engine.run_folder.result import RunResult
from attractor.factory.dimensions import with_dimension
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of, unregistered_suite
from attractor.factory.resources.versions import Version
from attractor.language.diagnostics import NotRunnable
from attractor.language.preparation.prepare import path_below
from attractor.pipeline.execute import execute
from attractor.pipeline.plan.origins import New
from attractor.pipeline.plan.plan_run import plan_run
from attractor.pipeline.plan.run_plan import AwaitTurn, RunPlan
from attractor.pipeline.preflight.preflight import find_request_faults
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.gallery import gallery_version
from attractor.pipeline.workspace.create import HEAD
from attractor.records.request import RunRequest


async def start_run(
    request: RunRequest,
    opened: OpenProject,
    *,
    root: Path | None = None,
    feedback: Path | None = None,
    run_id: str = "",
    commit: str = HEAD,
    await_turn: AwaitTurn | None = None,
) -> RunResult:
    """Start a run; suite and profile are pinned before the first stage.

    A suite whose name the ledger does not know is registered by its lock in the last commit.
    `feedback` is the directory of an earlier run, whose verdict enters the context of the new run.
    `run_id` is the id of the run (default: a new id). In a repository, it begins with `commit`.
    `await_turn` returns when its first stage may begin.
    """
    plan = await plan_start(
        request, opened, root=root, feedback=feedback, run_id=run_id, commit=commit
    )
    return await execute(replace(plan, rules=replace(plan.rules, await_turn=await_turn)))


async def plan_start(
    request: RunRequest,
    opened: OpenProject,
    *,
    root: Path | None = None,
    feedback: Path | None = None,
    run_id: str = "",
    commit: str = HEAD,
) -> RunPlan:
    """Plan a run as `start_run` starts it, and register its suite."""
    origin = changed(_origin(request, opened, root, feedback), run_id=run_id, commit=commit)
    if name := unregistered_suite(origin, opened):
        # Suites are slow to import.
        from attractor.factory.registration.register_suite import register_by_lock

        await register_by_lock(name, request, opened)
    plan = await plan_run(origin, opened.project, rules_of(opened))
    if feedback and not plan.report.faults:
        # Imported here, because most runs have no feedback.
        from attractor.factory.pulls.readings import PullReadings

        PullReadings.of(opened).begin_next(str(plan.request.feedback["feedback.run"]), plan.run_id)
    return plan


async def check_run(
    request: RunRequest, opened: OpenProject, *, feedback: Path | None = None
) -> RunPlan:
    """Plan a run that does not begin, to see whether it could."""
    origin, project = _origin(request, opened, None, feedback), opened.project
    if name := unregistered_suite(origin, opened):
        # Suites are slow to import.
        from attractor.factory.registration.register_suite import check_lock

        await check_lock(name, request, opened)
        project.console.tell(
            f"Suite {name} is not registered here: a run plays its trials on the base, and then "
            "registers it by its committed lock."
        )
        origin = changed(origin, request=replace(origin.request, suite=""))
        opened = replace(opened, project=replace(project, suite=""))
    return await plan_run(origin, opened.project, rules_of(opened))


def _origin(
    request: RunRequest, opened: OpenProject, root: Path | None, feedback: Path | None
) -> New:
    project = opened.project
    request = with_dimension(request, opened)
    started_by = project.machine.environ.get(STARTED_BY_VARIABLE, "")
    # The next run of an earlier request may have a newer version.
    gallery = gallery_version(request.file) if request.gallery else ""
    request = replace(request, started_by=started_by, gallery=gallery)
    origin = New(request, root, project.parts.texts)
    if request.suite or project.suite:
        _require_known(origin, opened)
    if feedback:
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import read_feedback
        from attractor.factory.operations.queue import returned_to_context
        from attractor.factory.pulls.feedback import pull_feedback_context

        found = read_feedback(feedback, opened, request.suite or project.suite)
        most, marker = project.pull_request.max_rounds, project.machine.randomness(8).hex()
        said = pull_feedback_context(feedback, found.run_id, opened.ledger, most, marker)
        values = {**found.to_context(), **returned_to_context(feedback, marker), **said}
        # The copy keeps the opened pipeline.
        origin = changed(origin, request=replace(request, feedback=values))
    return origin


def _require_known(origin: New, opened: OpenProject) -> None:
    """Refuse an invalid pipeline and unknown names: a suite may take minutes to be registered."""
    request, project = origin.request, opened.project
    pipeline, _ = origin.read(request, RunScope.of(project))
    if faults := [*find_request_faults(pipeline.graph, request, project.parts)]:
        raise NotRunnable(origin.pipeline_name, faults)
    opened.pin_profile(request.profile or project.profile)


def with_registered(version: Version, opened: OpenProject) -> tuple[Path, OpenProject]:
    """Return the file of a registered pipeline, and the project with its text and its files."""
    pipeline = opened.pipelines.read(version)
    file = Path(str(version.data["file"]))
    texts = {
        path_below(str(file.parent), name): one.decode() for name, one in pipeline.files.items()
    }
    texts[str(file)] = pipeline.text
    return file, replace(opened, project=opened.project.with_texts(texts))
