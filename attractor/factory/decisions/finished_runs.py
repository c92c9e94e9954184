"""Actions on runs that wait for a decision or are decided: lock, judge, promote, roll back."""

from contextlib import ExitStack
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.engine.run_folder.layout import LOCK_WAIT_S, FileFence
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION, EVALUATING
from attractor.factory.decisions.promotion import (
    CandidateTree,
    Promotion,
    promote,
    roll_back,
    settle_promotions,
)
from attractor.factory.evaluation.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.evaluation.gate_records import GateInput
from attractor.factory.launch import report_torn_line
from attractor.factory.register import register_of
from attractor.pipeline.fork.linked_run import require_trees
from attractor.pipeline.host.run_host import RunHost
from attractor.records.request import RunRequest, WorkspaceKind, read_request
from attractor.workspaces.folders import borrowed_folder, make_workspaces_folder
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.run_store import open_store

_ENDING_S = 10.0
"""Time for a process to release a run whose stages and evaluation have ended."""


def lock_run(root: Path, host: RunHost) -> OpenRun:
    """Lock a run of this project, and verify its end against the ledger."""
    register = register_of(host)
    register.require_own(root)
    facts = read_candidate_run(root)
    wait = _ENDING_S if facts.state.status in (AWAITING_DECISION, APPROVED) else LOCK_WAIT_S
    fence = FileFence(facts.directory.lock, purpose=f"runs {facts.run_id}", wait=wait)
    with ExitStack() as undo:
        run = open_run(
            root,
            clock=host.clock,
            redactor=host.redactor,
            fence=fence,
            before_end=register.record_end,
        )
        undo.callback(run.close)
        report_torn_line(run, host)
        register.settle_end(run)
        settle_promotions(run, register.ledger)
        undo.pop_all()
    return run


def request_evaluation(root: Path, host: RunHost, *, by: str) -> None:
    """Request another evaluation of a run, unless it waits for one; no stage is executed again."""
    with lock_run(root, host) as run:
        if run.state.status != EVALUATING:
            evaluator_of(host).request_again(run, by)


def ask_gate(root: Path, host: RunHost) -> tuple[CandidateRun, GateInput]:
    """Return the input of the gate for a run of this project, without locking the run."""
    register_of(host).require_own(root)
    facts = read_candidate_run(root)
    return facts, evaluator_of(host).judged(facts)


async def promote_run(root: Path, host: RunHost, *, branch: str, by: str) -> Promotion:
    """Write the result of an approved run to a branch of the project."""
    with lock_run(root, host) as run:
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
        lock_run(root, host) as run,
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
