"""Starts runs and goes on with them: pins what they are judged by, walks, evaluates."""

from dataclasses import replace
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.run_folder.result import RunResult
from attractor.environments.selection import Choice
from attractor.factory.evaluate import Evaluator
from attractor.factory.gate import Judged
from attractor.factory.ledger import Ledger
from attractor.factory.profiles import ProfileStore
from attractor.factory.promotion import CandidateTree, Promotion, promote
from attractor.factory.run_index import Project, RunFacts, Stores, read_facts
from attractor.factory.suites import SuiteStore
from attractor.factory.trials import Results
from attractor.pipeline.fork.linked_run import require_trees
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import (
    NOTHING_GIVEN,
    GivenSecrets,
    RunRequest,
    WorkspaceKind,
    request_from_record,
)
from attractor.pipeline.source.read import open_pipeline, project_of
from attractor.pipeline.start import resume, start
from attractor.pipeline.walk import Judge, rest
from attractor.workspaces.folders import workspaces_of
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.run_store import open_store


def evaluator_of(host: RunHost) -> Evaluator:
    """Return what evaluates the runs of a project."""
    state, ledger = host.state_dir, Ledger(host.state_dir)
    return Evaluator(
        stores=Stores(SuiteStore(state), ProfileStore(state)),
        ledger=ledger,
        results=Results(state / "results", ledger),
        project=Project(host.runs_dir, state / "project.lock", host.randomness),
        trials=workspaces_of(state),
    )


async def launch(
    request: RunRequest, host: RunHost, *, root: Path | None = None, evaluate: bool = True
) -> RunResult:
    """Start a run: what judges it is pinned before its first stage."""
    evaluator = evaluator_of(host)
    stores = evaluator.stores
    if request.suite:
        _require_fit(evaluator, request, host)
    pinned = replace(
        request,
        suite=stores.pin_suite(request.suite),
        profile=stores.pin_profile(request.profile),
    )
    return await start(pinned, host, root=root, judge=_judge(evaluator, evaluate=evaluate))


async def go_on(
    root: Path,
    host: RunHost,
    *,
    interviewer: str = "",
    budgets: Budgets = NO_BUDGETS,
    restores_sessions: bool = False,
    given: GivenSecrets = NOTHING_GIVEN,
    accepts_graph: str = "",
    evaluate: bool = True,
) -> RunResult:
    """Go on with a run that stopped, its evaluation included.

    What its directory does not keep is given again; whoever accepts a changed pipeline is named.
    """
    evaluator = evaluator_of(host)
    evaluator.require_own(root)
    judge = _judge(evaluator, evaluate=evaluate)

    def begin(run: OpenRun, place: Choice) -> None:
        _tell_torn(run, host)
        judge.begin(run, place)

    return await resume(
        root,
        host,
        interviewer=interviewer,
        budgets=budgets,
        restores_sessions=restores_sessions,
        given=given,
        accepts_graph=accepts_graph,
        judge=replace(judge, begin=begin),
    )


def _tell_torn(run: OpenRun, host: RunHost) -> None:
    """Say what was dropped: the event of it was written before anybody watched."""
    if torn := run.events.torn:
        host.tell(
            f"The journal's last line was torn, for its writer died: {len(torn.content)} bytes "
            f"from byte {torn.offset} on were dropped. No event that was acknowledged is lost."
        )


def _judge(evaluator: Evaluator, *, evaluate: bool) -> Judge:
    return Judge(evaluator.begin, evaluator.finish if evaluate else rest)


def _require_fit(evaluator: Evaluator, request: RunRequest, host: RunHost) -> None:
    """Refuse a suite that was written for another pipeline."""
    suites = evaluator.stores.suites
    wanted = suites.open(suites.find(request.suite)).suite.settings.pipeline
    name = open_pipeline(str(request.file), known=project_of(host)).graph.name
    if wanted != name:
        raise UsageError(
            f"the suite {request.suite} is for the pipeline {wanted!r}, not for {name!r}",
            hint="name another suite, or mend `pipeline` in its suite.toml",
        )


def hold(root: Path, host: RunHost) -> OpenRun:
    """Take a run of this project in hand, to decide on it or promote it."""
    evaluator_of(host).require_own(root)
    run = open_run(root, clock=host.clock, redactor=host.redactor)
    _tell_torn(run, host)
    return run


def ask_gate(root: Path, host: RunHost) -> tuple[RunFacts, Judged]:
    """Return what the gate judges a run of this project by, without taking it from its runner."""
    evaluator = evaluator_of(host)
    evaluator.require_own(root)
    facts = read_facts(root)
    return facts, evaluator.judged(facts)


async def promote_run(root: Path, host: RunHost, *, branch: str) -> Promotion:
    """Give the result of an approved run to a branch of the project."""
    with hold(root, host) as run:
        request = request_from_record(
            run.manifest.options, suite=run.manifest.suite, profile=run.manifest.profile
        )
        if request.workspace is not WorkspaceKind.ISOLATED:
            raise UsageError(
                "only a run with an isolated workspace can be promoted",
                hint="run it with --workspace isolated, in a git repository",
            )
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
            return CandidateTree(store, record.base, record.left_out)

        return await promote(run, evaluator_of(host), repository, open_kept, branch=branch)
