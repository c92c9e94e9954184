"""Starts and resumes runs: pins suite and profile, walks the pipeline, and evaluates the result."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.engine.run_folder.layout import (
    LOCK_WAIT_S,
    FileFence,
    RunDirectory,
    read_manifest,
)
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION, EVALUATING
from attractor.factory.decisions.promotion import (
    CandidateTree,
    Promotion,
    promote,
    roll_back,
    settle_promotions,
)
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.feedback import Feedback, feedback_on
from attractor.factory.evaluation.gate_records import GateInput
from attractor.factory.evaluation.run_facts import FactoryStores, RunFacts, read_facts
from attractor.factory.evaluation.train import train_player
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.ledger.trials import TrialStore
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.effective import with_profile
from attractor.factory.resources.pipelines import PipelineStore
from attractor.factory.resources.profiles import ProfileStore
from attractor.factory.resources.suites import SuiteStore
from attractor.factory.resources.versions import Version, split_pin, split_reference
from attractor.language.preparation.prepare import path_below
from attractor.pipeline.components.run_components import Evaluation, PreparedRun
from attractor.pipeline.fork.linked_run import require_trees
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.preflight import PreflightReport, preflight
from attractor.pipeline.request import (
    NO_OVERRIDES,
    Overrides,
    RunRequest,
    WorkspaceKind,
    read_request,
)
from attractor.pipeline.resume import resume
from attractor.pipeline.source.read import open_pipeline, pipeline_name, project_of
from attractor.pipeline.start import start
from attractor.pipeline.workspace.create import choose_workspace_kind
from attractor.scenarios.check import require_judgeable
from attractor.scenarios.suite_lint import SuiteRefused, threshold_faults
from attractor.scenarios.trial_twins import require_startable
from attractor.workspaces.folders import (
    borrowed_folder,
    make_workspaces_folder,
)
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.run_store import open_store


def evaluator_of(host: RunHost) -> Evaluator:
    """Return the evaluator for the runs of a project."""
    state, ledger = host.state_dir, Ledger(host.state_dir)
    project = ProjectIdentity(host.runs_dir, state / "project.lock", host.randomness, host.tell)
    return Evaluator(
        stores=FactoryStores(
            SuiteStore(state, project, ledger),
            ProfileStore(state, project, ledger),
            PipelineStore(state, project, ledger),
        ),
        ledger=ledger,
        results=TrialStore(state / "results", ledger),
        project=project,
        state_dir=state,
        clock=host.clock,
        tell=host.tell,
    )


def with_registered(version: Version, host: RunHost) -> tuple[Path, RunHost]:
    """Return the file of a registered pipeline, and the host that knows its text and its files."""
    pipeline = evaluator_of(host).stores.pipelines.read(version)
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
    evaluator = evaluator_of(host)
    if feedback:
        found = _read_feedback(feedback, evaluator, request.suite or host.suite)
        request = replace(request, feedback=found.to_context())
    host = replace(host, before_end=evaluator.record_end)
    pinned, suite_pipeline = await _pin(request, evaluator.stores, host)
    host = with_profile(host, evaluator.stores.profile(pinned.profile))
    for sentence in evaluator.stores.describe(pinned.suite, pinned.profile):
        host.tell(sentence)
    if attempts := evaluator.describe_attempts(pinned.suite):
        host.tell(attempts)
    return await start(
        pinned,
        host,
        root=root,
        suite_pipeline=suite_pipeline,
        evaluation=_evaluation(evaluator, pinned),
    )


def _read_feedback(root: Path, evaluator: Evaluator, suite: str) -> Feedback:
    """Return the feedback on an earlier run of this project, computed from the verified records.

    Refuse a run that was judged by another suite than `suite`, a reference of the next run.
    """
    evaluator.require_own(root)
    facts = read_facts(root)
    named, judging = suite.partition("@")[0], _suite_name(facts)
    if not judging or named != judging:
        raise UsageError(
            f"{facts.run_id} was judged by {f'suite {judging}' if judging else 'no suite'}",
            hint=f"pass --suite {judging}" if judging else "name a run with a suite",
        )
    judged = evaluator.judged(facts)
    if not judged.evaluations and not judged.incidents:
        raise UsageError(
            f"{facts.run_id} has no feedback: it was not evaluated",
            hint=f"attractor evaluate {facts.run_id}",
        )
    return feedback_on(facts.run_id, judged)


def _suite_name(facts: RunFacts) -> str:
    return split_pin(facts.manifest.suite)[0].partition("@")[0]


async def check_run(
    request: RunRequest, host: RunHost, *, feedback: Path | None = None
) -> PreflightReport:
    """Check whether a run can start, and change nothing."""
    evaluator = evaluator_of(host)
    stores = evaluator.stores
    if feedback:
        _read_feedback(feedback, evaluator, request.suite or host.suite)
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
    if sealed and (faults := list(threshold_faults(sealed.suite))):
        raise SuiteRefused(faults)
    if sealed and request.evaluate:
        await require_judgeable(sealed.suite, host.environ)
        await require_startable(sealed.suite.settings.twins, sealed.folder)
    return replace(request, suite=suite, profile=profile), name


def _pipeline_name(request: RunRequest, host: RunHost) -> str:
    pipeline = open_pipeline(
        str(request.file), goal=request.goal, inputs=request.inputs, project=project_of(host)
    )
    return pipeline_name(pipeline.graph, request.file)


def host_of_run(root: Path, host: RunHost) -> RunHost:
    """Return the host with the effective settings of the profile that a run pinned."""
    profile = read_manifest(RunDirectory(root)).profile
    return with_profile(host, evaluator_of(host).stores.profile(profile))


async def resume_run(root: Path, host: RunHost, overrides: Overrides = NO_OVERRIDES) -> RunResult:
    """Resume a run, including its evaluation unless the run skips it."""
    evaluator = evaluator_of(host)
    evaluator.require_own(root)
    host = replace(host_of_run(root, host), before_end=evaluator.record_end)
    if evaluator.has_ended(root):
        hold(root, host).close()
    manifest = read_manifest(RunDirectory(root))
    for sentence in evaluator.stores.describe(manifest.suite, manifest.profile):
        host.tell(sentence)
    request = overrides.apply(read_request(manifest), host.environ)
    evaluation = _evaluation(evaluator, request)

    def begin(run: OpenRun, prepared: PreparedRun) -> None:
        _report_torn_line(run, host)
        evaluation.begin(run, prepared)

    return await resume(root, host, overrides, evaluation=replace(evaluation, begin=begin))


def _report_torn_line(run: OpenRun, host: RunHost) -> None:
    """Report an incomplete line that was removed before the journal had observers."""
    if torn := run.events.torn:
        host.tell(
            "The last line of the journal was incomplete, because the process that wrote it died: "
            f"{len(torn.content)} bytes from byte {torn.offset} on were removed. "
            "No completed event is lost."
        )


def _evaluation(evaluator: Evaluator, request: RunRequest) -> Evaluation:
    # Without a suite nothing is left to evaluate later.
    finish = evaluator.finish if request.evaluate or not request.suite else None
    train, admit = partial(train_player, evaluator), partial(evaluator.stores.admit, request.suite)
    return Evaluation(evaluator.begin, finish, train, admit)


def request_evaluation(root: Path, host: RunHost, *, by: str) -> None:
    """Request another evaluation of a run, unless it waits for one; no stage is executed again."""
    with hold(root, host) as run:
        if run.state.status != EVALUATING:
            evaluator_of(host).request_again(run, by)


_ENDING_S = 10.0
"""Time for a process to release a run whose stages and evaluation have ended."""


def hold(root: Path, host: RunHost) -> OpenRun:
    """Lock a run of this project, and verify its end against the ledger."""
    evaluator = evaluator_of(host)
    evaluator.require_own(root)
    facts = read_facts(root)
    wait = _ENDING_S if facts.state.status in (AWAITING_DECISION, APPROVED) else LOCK_WAIT_S
    fence = FileFence(facts.directory.lock, purpose=f"runs {facts.run_id}", wait=wait)
    with ExitStack() as undo:
        run = open_run(
            root,
            clock=host.clock,
            redactor=host.redactor,
            fence=fence,
            before_end=evaluator.record_end,
        )
        undo.callback(run.close)
        _report_torn_line(run, host)
        evaluator.settle_end(run)
        settle_promotions(run, evaluator.ledger)
        undo.pop_all()
    return run


def ask_gate(root: Path, host: RunHost) -> tuple[RunFacts, GateInput]:
    """Return the input of the gate for a run of this project, without locking the run."""
    evaluator = evaluator_of(host)
    evaluator.require_own(root)
    facts = read_facts(root)
    return facts, evaluator.judged(facts)


async def promote_run(root: Path, host: RunHost, *, branch: str, by: str) -> Promotion:
    """Write the result of an approved run to a branch of the project."""
    with hold(root, host) as run:
        request = require_isolated(run)
        repository = await open_repository(host.project, search_path=host.search_path)

        def open_kept() -> CandidateTree:
            run_id = run.manifest.run_id
            require_trees(request, host, run_id)
            store, record = open_store(
                host.state_dir,
                run_id,
                search_path=host.search_path,
                borrow_from=repository.objects,
            )
            return CandidateTree(store, record.base, record.excluded)

        return await promote(run, evaluator_of(host), repository, open_kept, branch=branch, by=by)


async def roll_back_run(
    root: Path, host: RunHost, *, branch: str, by: str, reason: str
) -> Promotion:
    """Take the changes of a promoted run out of a branch of the project."""
    with (
        hold(root, host) as run,
        # The store of the run may be removed already.
        borrowed_folder(make_workspaces_folder(host.state_dir)) as folder,
    ):
        repository = await open_repository(host.project, search_path=host.search_path)
        store = ObjectStore(
            folder / "store",
            object_format=repository.object_format,
            search_path=host.search_path,
        )
        await store.create(borrow_from=repository.objects)
        return await roll_back(
            run, evaluator_of(host), repository, store, branch=branch, by=by, reason=reason
        )


def require_isolated(run: OpenRun) -> RunRequest:
    """Return the request of a run; refuse a run without a base in the project's repository."""
    request = read_request(run.manifest)
    if request.workspace is not WorkspaceKind.ISOLATED:
        raise UsageError(
            "only a run with an isolated workspace can be promoted",
            hint="run it with --workspace isolated, in a git repository",
        )
    return request
