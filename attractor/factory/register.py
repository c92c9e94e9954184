"""Registers runs in the ledger: their begin, their end, and the files that must be unchanged."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import ChainBroken, VerificationError
from attractor.base.hash_chain import GENESIS
from attractor.base.records import write_fields
from attractor.engine.budgets import NO_BUDGETS
from attractor.engine.journal.checkpoint import open_journal, verify_journal
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import (
    NAMES,
    Manifest,
    RunDirectory,
    promises_to_record,
    read_manifest,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import AWAITING_DECISION, BOOTING, QUEUED
from attractor.engine.storage.json_files import write_document
from attractor.environments.environment import Promises
from attractor.factory.candidate_run import CandidateRun, facts_of, read_candidate_run
from attractor.factory.gate_records import GateReport, without_suite
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.records.lookup import is_run, remove_incomplete, run_root
from attractor.records.request import RunRequest, read_request
from attractor.workspaces.cleanup import (
    remove_base_ref,
    remove_store,
    remove_workspace_folder,
    stored_run,
)
from attractor.workspaces.create.registry import workspace_registry

GATE_EVALUATED = "GateEvaluated"
GUARDED = "StagesGuarded"
LEAKED_REASON = "a holdout of the suite leaked: its canary was found in the files of the run"
ENDS = (LineKind.ENDED, LineKind.DECIDED)
"""The lines that record a final status."""

UNBEGUN = (QUEUED, BOOTING)
"""The statuses of a run before its line in the ledger."""


def record_begin(opened: OpenProject, begun: BegunRun) -> None:
    """Register the pipeline of a new run, and record the run in the ledger.

    Refuse to begin a run whose suite or profile was retired, archived or burned.
    Also record in the journal of the run how the stages are isolated.
    """
    run, plan = begun.run, begun.plan
    facts = facts_of(run)
    is_begun = run.state.status not in UNBEGUN
    if is_begun:
        require_manifest(opened, facts, list(opened.ledger.entries(facts.run_id)))
    else:
        # A suite may be burned before a restart begins, and no result could be approved.
        opened.require_in_use(run.manifest.suite, run.manifest.profile)
    # Also on a resume: the operator may have accepted a changed pipeline.
    registered, _ = opened.pipelines.register(
        plan.pipeline,
        plan.request.file,
        by=f"run {facts.run_id}",
        now=run.clock.now(),
        # A retired pipeline stays retired: only a person registers it again.
        renews=False,
    )
    submission, trigger = plan.request.submission, plan.request.trigger
    kind = workspace_registry()[plan.request.workspace]
    if not is_begun:
        made = {
            "manifest": facts.manifest_hash(),
            "pipeline": registered.pinned,
            **opened.identity.describe(run.directory.root, in_project=not kind.is_apart),
            **({"submission": write_fields(submission)} if submission else {}),
            **({"trigger": write_fields(trigger)} if trigger else {}),
        }
        opened.ledger.append(LineKind.CREATED, facts.run_id, made, now=run.clock.now(), once=True)
        # A process that died may have begun with another manifest.
        require_manifest(opened, facts, list(opened.ledger.entries(facts.run_id)))
    record_guard(begun)


def record_guard(begun: BegunRun) -> None:
    """Record in the journal of a run how its stages are isolated from now on."""
    place = begun.plan.sandbox_of_stages
    guard = {"kind": place.kind, **promises_to_record(place.promises)}
    begun.run.emit(GUARDED, guard, sync=True)


_KEPT_BY_RESTARTS = ("suite", "profile", "pipeline", "content_hash", "base", "promises", "agents")


def record_restart(opened: OpenProject, root: Path) -> None:
    """Record a restart that began on another machine, with the pipeline of the run before it."""
    restart = read_candidate_run(root)
    opened.require_own(root)
    known = opened.ledger.entries(restart.run_id)
    if any(entry.kind == LineKind.CREATED for entry in known):
        return
    parent = restart.manifest.parent
    pinned = [
        one.data["pipeline"]
        for one in opened.ledger.entries(parent)
        if one.kind == LineKind.CREATED
    ]
    before = restart.manifest
    if pinned:
        # A worker may have changed both.
        run = read_candidate_run(root.parent / parent)
        require_manifest(opened, run, list(opened.ledger.entries(parent)))
        before = run.manifest
    # The files of a dimension of another machine are known only there.
    kept = [name for name in _KEPT_BY_RESTARTS if name != "base" or before.base.tree]
    if (
        not pinned
        or any(getattr(before, one) != getattr(restart.manifest, one) for one in kept)
        or _kept_request(before) != _kept_request(restart.manifest)
    ):
        raise VerificationError(
            f"run {restart.run_id} does not continue run {parent} as it was begun",
            hint="a worker changed its manifest: look at its machine",
        )
    made = {
        "manifest": restart.manifest_hash(),
        "pipeline": pinned[0],
        **opened.identity.describe(root),
    }
    opened.ledger.append(LineKind.CREATED, restart.run_id, made, now=opened.now(), once=True)


def _kept_request(manifest: Manifest) -> RunRequest:
    """Return the request of a run without the values that a process with its restart may change."""
    request = read_request(manifest)
    if request.dimension and workspace_registry()[request.workspace].needs_folder:
        # The machine of the dimension knows its kind.
        request = replace(request, workspace="")
    return replace(request, model="", provider="", inputs={}, withheld=(), budgets=NO_BUDGETS)


def promises_kept_in(directory: RunDirectory) -> Promises:
    """Return the promises that held for all stages of a run, also after it was resumed."""
    promises = [promises_to_record(read_manifest(directory).promises)]
    promises += [dict(one.data) for one in events_of(directory.events, (GUARDED,))]
    return Promises(**{name: all(one.get(name) is True for one in promises) for name in NAMES})


def weakest(promises: Iterable[Promises]) -> Promises:
    """Return the promises that all of several sandboxes keep."""
    records = [promises_to_record(one) for one in promises]
    return Promises(**{name: all(one[name] is True for one in records) for name in NAMES})


def find_restarts(run_id: str, opened: OpenProject) -> list[Path]:
    """Return the directories of a run and of its restarts, newest first."""
    found: list[Path] = []
    root = opened.project.runs_dir / run_id
    while is_run(directory := RunDirectory(root)):
        found.insert(0, root)
        restarted_as = open_journal(directory.events, directory.checkpoint).state.restarted_as
        if not restarted_as:
            break
        root = root.with_name(restarted_as)
    return found


async def forget(run_id: str, opened: OpenProject) -> bool:
    """Remove all that a killed process left of a run; of one in the ledger, remove nothing.

    Return whether the run can begin.
    """
    project, machine = opened.project, opened.project.machine
    if any(line.kind == LineKind.CREATED for line in opened.ledger.entries(run_id)):
        return False
    remove_incomplete(run_root(run_id, project.runs_dir))
    left = stored_run(machine.state_dir, run_id)
    if left.store.is_dir():
        for folder in filter(None, (left.workspace, *left.forks, left.cache)):
            await remove_workspace_folder(folder)
        if left.repository:
            await remove_base_ref(left.repository, run_id, search_path=machine.search_path)
        await remove_store(left.store)
    return True


def end_without_suite(run: OpenRun) -> None:
    """Leave a run that nothing judges to a person."""
    report = without_suite()
    write_report(run, 1, report)
    run.change_status(AWAITING_DECISION, report.verdict)


def require_manifest(opened: OpenProject, run: CandidateRun, own: Sequence[LedgerEntry]) -> None:
    """Refuse a changed manifest, because the manifest pins suite and profile."""
    made = [entry for entry in own if entry.kind == LineKind.CREATED]
    if not made and run.state.status in UNBEGUN:
        return
    if not made:
        opened.ledger.require_there()
        raise VerificationError(
            f"unknown run {run.run_id} in {opened.ledger.file}",
            hint="set state_dir to the state folder of the run, or restore it from a backup",
        )
    if made[0].data["manifest"] != run.manifest_hash():
        raise VerificationError(
            f"{run.directory.manifest} was changed after the start of the run",
            hint="restore it from a backup, or start a new run",
        )


def require_journal(run: CandidateRun, own: Sequence[LedgerEntry]) -> None:
    """Refuse a corrupt journal, and a journal that lacks lines recorded in the ledger."""
    journal = run.directory.events
    sealed = {
        str(entry.data["journal_head"])
        for entry in own
        if entry.kind in (LineKind.UNFINISHED, LineKind.EVALUATED, *ENDS)
    }
    # The state of the run was read from this journal.
    known = {run.head.hash} if run.head != GENESIS else set[str]()
    if verify_journal(journal, heads=sealed | known):
        raise ChainBroken(
            f"{journal} is incomplete: lines whose hashes are in the ledger are missing",
            hint="restore it from a backup",
        )


def write_report(run: OpenRun, number: int, report: GateReport) -> None:
    """Write the report of an evaluation into the run directory and the journal."""
    folder = run.directory.root / "evaluation" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    write_document(folder / "report.json", run.redactor.members(report.to_record()))
    run.emit(GATE_EVALUATED, {"evaluation": number, **report.to_record()}, sync=True)
