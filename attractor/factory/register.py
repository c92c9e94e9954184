"""Registers runs in the ledger: their begin, their end, and the files that must be unchanged."""

from collections.abc import Callable, Sequence
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, UnknownName, VerificationError
from attractor.base.hash_chain import GENESIS
from attractor.engine.errors import NoRun
from attractor.engine.journal.checkpoint import verify_journal
from attractor.engine.run_folder.layout import RunDirectory, promises_to_record, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.state.run_state import (
    AWAITING_DECISION,
    BOOTING,
    EVALUATING,
    FAILED,
    QUEUED,
    RunStatus,
)
from attractor.engine.storage.json_files import write_document
from attractor.factory.errors import RunGone
from attractor.factory.evaluation.candidate_run import CandidateRun, FactoryStores, facts_of
from attractor.factory.evaluation.gate_records import GateReport, without_suite
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.project import ProjectIdentity, identity_of
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run, is_run

GATE_EVALUATED = "GateEvaluated"
GUARDED = "StagesGuarded"
LEAKED_REASON = "a holdout of the suite leaked: its canary was found in the files of the run"
_ENDS = (LineKind.ENDED, LineKind.DECIDED)
UNBEGUN = (QUEUED, BOOTING)
"""The statuses of a run before its line in the ledger."""


@dataclass(frozen=True)
class RunRegister:
    """The resources, the ledger and the runs of a project.

    Runs without a suite need no more of the factory, so this module imports no suites.
    """

    stores: FactoryStores
    ledger: Ledger
    project: ProjectIdentity
    state_dir: Path
    clock: Clock
    tell: Callable[[str], None]

    def begin(self, begun: BegunRun) -> None:
        """Register the pipeline of a new run, and record the run in the ledger.

        Refuse to begin a run whose suite or profile was retired, archived or burned.
        Also record in the journal of the run how the stages are isolated.
        """
        run, plan = begun.run, begun.plan
        facts, place = facts_of(run), plan.sandbox
        if run.state.status in UNBEGUN:
            # A suite may be burned before a restart begins, and no result could be approved.
            self.stores.require_in_use(run.manifest.suite, run.manifest.profile)
        # Also on a resume: the operator may have accepted a changed pipeline.
        registered, _ = self.stores.pipelines.register(
            plan.pipeline,
            plan.request.file,
            by=f"run {facts.run_id}",
            now=run.clock.now(),
            # A retired pipeline stays retired: only a person registers it again.
            renews=False,
        )
        if run.state.status in UNBEGUN:
            made = {
                "manifest": facts.manifest_hash(),
                "pipeline": registered.pinned,
                **self.project.describe(run.directory.root),
            }
            self.ledger.append(LineKind.CREATED, facts.run_id, made, now=run.clock.now(), once=True)
        self.require_manifest(facts, list(self.ledger.entries(facts.run_id)))
        run.emit(GUARDED, {"kind": place.kind, **promises_to_record(place.promises)}, sync=True)

    def end_without_suite(self, run: OpenRun) -> None:
        """Leave a run that nothing judges to a person."""
        report = without_suite()
        write_report(run, 1, report)
        run.change_status(AWAITING_DECISION, report.verdict)

    def find(self, reference: str) -> Path:
        """Return the directory of a run, as `find_run`; say if that of a recorded run is gone."""
        try:
            return find_run(reference, self.project.runs_dir)
        except (NoRun, UnknownName):
            # Records of evaluations are slow to import.
            from attractor.factory.ledger.records import created_runs, find_directory

            project_id = self.project.project_id()
            entries = self.ledger.mentioning(project_id) if project_id else ()
            runs = created_runs(entries, project_id)
            found = [one for one in runs if reference and one.startswith(reference.upper())]
            if len(found) != 1:
                raise
        own = list(self.ledger.entries(found[0]))
        if root := find_directory(own, self.project.runs_dir):
            return root
        verdicts = [str(one.data["verdict"]) for one in own if one.kind == LineKind.DECIDED]
        is_promoted = any(one.kind == LineKind.PROMOTED for one in own)
        words = f"{', '.join(verdicts) or 'not decided'}, {'' if is_promoted else 'not '}promoted"
        raise RunGone(
            f"the directory of run {found[0]} ({words}) is gone: {own[0].data['directory']}",
            hint="restore it from a backup; its records: attractor history --all",
        )

    def find_outside(self) -> list[Path]:
        """Return the directories of runs outside of the runs folder (`--run-dir`), oldest first."""
        # Records of evaluations are slow to import.
        from attractor.factory.ledger.records import created_runs

        project_id = self.project.project_id()
        entries = self.ledger.mentioning(project_id) if project_id else ()
        created = created_runs(entries, project_id).values()
        found = [Path(str(one.data["directory"])) for one in created]
        runs_dir = self.project.runs_dir.resolve()
        return [one for one in found if one.parent != runs_dir and is_run(RunDirectory(one))]

    def require_own(self, root: Path) -> None:
        """Refuse a run of another project, and a copy of a run."""
        run_id = read_manifest(RunDirectory(root)).run_id
        for entry in self.ledger.entries(run_id):
            if entry.kind == LineKind.CREATED:
                self.project.require_own(root, entry)

    def record_end(self, run: OpenRun, status: RunStatus) -> None:
        """Search a run that fails or is canceled for holdouts, and record its end in the ledger.

        A restart is searched with the run that continues it. Without the sealed suite, the run ends
        without a search, and its record says so.
        """
        searched: dict[str, str] = {}
        if run.manifest.suite and not run.state.is_restarting:
            # The search opens the suite, which is slow to import.
            from attractor.factory.evaluation.evaluate import end_trials
            from attractor.factory.evaluation.leaks import search_at_end

            if not (searched := search_at_end(self, run)):
                end_trials(self, run)
        head = run.events.head.hash
        ended = {"status": status.word.value, "journal_head": head, **searched}
        self.ledger.append(
            LineKind.ENDED, run.manifest.run_id, ended, now=run.clock.now(), once=True
        )

    def settle_end(self, run: OpenRun) -> None:
        """Refuse a journal without lines before the end of the run that the ledger records.

        If the process died before it changed the status, change the status.
        """
        ended = [entry for entry in self.ledger.entries(run.manifest.run_id) if entry.kind in _ENDS]
        if ended:
            require_journal(facts_of(run), ended)
        if run.state.status.is_final or not any(entry.kind == LineKind.ENDED for entry in ended):
            return
        if run.state.status == EVALUATING and not run.state.why_canceled:
            # Only a leak ends an evaluation without a decision.
            run.change_status(FAILED, LEAKED_REASON)
        else:
            end_run(run)

    def has_ended(self, root: Path) -> bool:
        """Return whether the ledger records a final status of a run."""
        run_id = read_manifest(RunDirectory(root)).run_id
        return any(entry.kind in _ENDS for entry in self.ledger.entries(run_id))

    def require_manifest(self, run: CandidateRun, own: Sequence[LedgerEntry]) -> None:
        """Refuse a changed manifest, because the manifest pins suite and profile."""
        made = [entry for entry in own if entry.kind == LineKind.CREATED]
        if not made and run.state.status in UNBEGUN:
            return
        if not made:
            self.ledger.require_there()
            raise VerificationError(
                f"unknown run {run.run_id} in {self.ledger.file}",
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
        if entry.kind in (LineKind.UNFINISHED, LineKind.EVALUATED, *_ENDS)
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


def register_of(project: Project) -> RunRegister:
    """Return the register of the runs of a project."""
    machine, identity = project.machine, identity_of(project)
    ledger = Ledger(machine.state_dir)
    stores = FactoryStores(machine.state_dir, identity, ledger)
    return RunRegister(
        stores, ledger, identity, machine.state_dir, machine.clock, project.console.tell
    )
