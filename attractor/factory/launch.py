"""Starts and resumes runs: pins suite and profile, walks the pipeline, and evaluates the result.

Suites are slow to import, so they are imported inside functions that only runs with a suite call.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import PlayedTrain, PlayTrain, TrainChoice, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.factory.evaluation.candidate_run import FactoryStores
from attractor.factory.register import RunRegister, register_of
from attractor.factory.resources.effective import with_profile
from attractor.factory.resources.versions import Version, split_reference
from attractor.language.preparation.prepare import path_below
from attractor.pipeline.components.run_components import Evaluation, PreparedRun
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.preflight import PreflightReport, preflight
from attractor.pipeline.resume import resume
from attractor.pipeline.source.read import open_pipeline, pipeline_name, project_of
from attractor.pipeline.start import start
from attractor.pipeline.workspace.create import choose_workspace_kind
from attractor.records.request import NO_OVERRIDES, Overrides, RunRequest, read_request


def with_registered(version: Version, host: RunHost) -> tuple[Path, RunHost]:
    """Return the file of a registered pipeline, and the host that knows its text and its files."""
    pipeline = register_of(host).stores.pipelines.read(version)
    file = Path(str(version.data["file"]))
    texts = {
        path_below(str(file.parent), name): one.decode() for name, one in pipeline.files.items()
    }
    texts[str(file)] = pipeline.text
    return file, host.with_texts(texts)


async def launch(
    request: RunRequest, host: RunHost, *, root: Path | None = None, feedback: Path | None = None
) -> RunResult:
    """Start a run; suite and profile are pinned before the first stage.

    `feedback` is the directory of an earlier run, whose verdict enters the context of the new run.
    """
    register = register_of(host)
    if feedback:
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import read_feedback

        found = read_feedback(feedback, host, request.suite or host.suite)
        request = replace(request, feedback=found.to_context())
    host = replace(host, before_end=register.record_end)
    pinned, suite_pipeline = await _pin(request, register.stores, host)
    host = with_profile(host, register.stores.profile(pinned.profile))
    for sentence in register.stores.describe(pinned.suite, pinned.profile):
        host.tell(sentence)
    if pinned.suite:
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import evaluator_of

        if attempts := evaluator_of(host).describe_attempts(pinned.suite):
            host.tell(attempts)
    return await start(
        pinned,
        host,
        root=root,
        suite_pipeline=suite_pipeline,
        evaluation=_evaluation(register, pinned, host),
    )


async def check_run(
    request: RunRequest, host: RunHost, *, feedback: Path | None = None
) -> PreflightReport:
    """Check whether a run can start, and change nothing."""
    stores = register_of(host).stores
    if feedback:
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import read_feedback

        read_feedback(feedback, host, request.suite or host.suite)
    request, suite_pipeline = await _pin(request, stores, host)
    host = with_profile(host, stores.profile(request.profile))
    pipeline = open_pipeline(
        str(request.file), goal=request.goal, inputs=request.inputs, project=project_of(host)
    )
    stores.admit(request.suite, pipeline, request.file)
    request = (await choose_workspace_kind(request, host)).with_inputs(pipeline.secrets)
    host = host.with_secrets(pipeline.secrets.values())
    return await preflight(pipeline, request, host, suite_pipeline=suite_pipeline, is_new=True)


async def _pin(request: RunRequest, stores: FactoryStores, host: RunHost) -> tuple[RunRequest, str]:
    """Return the request with pinned suite and profile, and the name of the suite's pipeline.

    The suite of the settings is left out if it is for another pipeline.
    Refuse a suite with checks that this machine cannot judge, and with twins that do not start.
    """
    suite = stores.pin_suite(request.suite or host.suite)
    profile = stores.pin_profile(request.profile or host.profile)
    sealed = stores.suite(suite)
    name = split_reference(sealed.suite.settings.pipeline)[0] if sealed else ""
    if name and not request.suite and name != (own := _pipeline_name(request, host)):
        # The first suite of a project must not prevent runs of its other pipelines.
        host.tell(
            f"The suite {host.suite} of the settings is for the pipeline {name!r}: "
            f"this run of {own!r} has no suite (choose one with --suite)."
        )
        return replace(request, profile=profile), ""
    if sealed:
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import require_usable

        await require_usable(sealed, host.environ, evaluates=request.evaluate)
    return replace(request, suite=suite, profile=profile), name


def _pipeline_name(request: RunRequest, host: RunHost) -> str:
    pipeline = open_pipeline(
        str(request.file), goal=request.goal, inputs=request.inputs, project=project_of(host)
    )
    return pipeline_name(pipeline.graph, request.file)


def host_of_run(root: Path, host: RunHost) -> RunHost:
    """Return the host with the effective settings of the profile that a run pinned."""
    profile = read_manifest(RunDirectory(root)).profile
    return with_profile(host, register_of(host).stores.profile(profile))


async def resume_run(root: Path, host: RunHost, overrides: Overrides = NO_OVERRIDES) -> RunResult:
    """Resume a run, including its evaluation unless the run skips it."""
    register = register_of(host)
    register.require_own(root)
    host = replace(host_of_run(root, host), before_end=register.record_end)
    if register.has_ended(root):
        # Few runs are resumed after their end.
        from attractor.factory.decisions.finished_runs import lock_run

        lock_run(root, host).close()
    manifest = read_manifest(RunDirectory(root))
    for sentence in register.stores.describe(manifest.suite, manifest.profile):
        host.tell(sentence)
    request = overrides.apply(read_request(manifest), host.environ)
    evaluation = _evaluation(register, request, host)

    def begin(run: OpenRun, prepared: PreparedRun) -> None:
        report_torn_line(run, host)
        evaluation.begin(run, prepared)

    return await resume(root, host, overrides, evaluation=replace(evaluation, begin=begin))


def report_torn_line(run: OpenRun, host: RunHost) -> None:
    """Report an incomplete line that was removed before the journal had observers."""
    if torn := run.events.torn:
        host.tell(
            "The last line of the journal was incomplete, because the process that wrote it died: "
            f"{len(torn.content)} bytes from byte {torn.offset} on were removed. "
            "No completed event is lost."
        )


def _evaluation(register: RunRegister, request: RunRequest, host: RunHost) -> Evaluation:
    async def finish(run: OpenRun, prepared: PreparedRun) -> None:
        if not run.manifest.suite:
            register.end_without_suite(run)
            return
        # Suites are slow to import.
        from attractor.factory.evaluation.evaluate import evaluator_of

        await evaluator_of(host).finish(run, prepared)

    def train(prepared: PreparedRun) -> PlayTrain:
        def play(
            workspace: Workspace, tree: TreeId, choice: TrainChoice
        ) -> AsyncIterator[PlayedTrain]:
            # Suites are slow to import.
            from attractor.factory.evaluation.train import play_train

            return play_train(host, prepared, workspace, tree, choice)

        return play

    # Without a suite nothing is left to evaluate later.
    finishes = request.evaluate or not request.suite
    admit = partial(register.stores.admit, request.suite)
    return Evaluation(register.begin, finish if finishes else None, train, admit)
