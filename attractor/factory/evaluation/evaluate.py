"""Evaluates a run: checks protected paths, plays the suite on the tree, evaluates the gate."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ChainBroken, VerificationError
from attractor.base.journal import GENESIS
from attractor.base.json import JsonObject
from attractor.engine.journal.checkpoint import verify_journal
from attractor.engine.run_folder.layout import (
    NAMES,
    RunDirectory,
    promises_to_record,
    read_manifest,
)
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.state.run_state import (
    AWAITING_DECISION,
    BOOTING,
    CANCELED,
    EVALUATING,
    FAILED,
    QUEUED,
    RunStatus,
)
from attractor.engine.storage.json_files import write_document
from attractor.environments.environment import Promises
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluation.feedback import FEEDBACK_FILE, feedback_on
from attractor.factory.evaluation.gate import gate
from attractor.factory.evaluation.gate_records import GateInput, GateReport, WindowFigures
from attractor.factory.evaluation.leaks import SearchedFolder, find_leaks
from attractor.factory.evaluation.protected_paths import protected_changes
from attractor.factory.evaluation.run_facts import (
    FactoryStores,
    RunFacts,
    before_a_decision,
    facts_of,
)
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.ledger.records import (
    UNSEARCHED,
    EvaluationPool,
    EvaluationStart,
    evaluated_to_record,
    find_directory,
    last_approved,
    leaks_of,
    unsearched_of,
    waivers_of,
)
from attractor.factory.ledger.trials import EvaluationId, TrialLog, TrialStore, events_of
from attractor.factory.ledger.window import window_figures
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.versions import BURNED, Ending
from attractor.pipeline.components.run_components import PreparedRun
from attractor.pipeline.request import WorkspaceKind
from attractor.pipeline.runs.lookup import reference_of
from attractor.scenarios.check import require_judgeable
from attractor.scenarios.evaluation import TrialResult, count_troubles, evaluate
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.workspaces.cleanup import stored_run
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import open_repository

GATE_EVALUATED = "GateEvaluated"
REQUESTED = "EvaluationRequested"
GUARDED = "StagesGuarded"
LEAKED_REASON = "a holdout of the suite leaked: its canary was found in the files of the run"
MOST_PLACES = 50
_ENDS = (LineKind.ENDED, LineKind.DECIDED)
UNBEGUN = (QUEUED, BOOTING)
"""The statuses of a run before its line in the ledger."""


@dataclass(frozen=True)
class Evaluator:
    """Evaluates finished runs of a project."""

    stores: FactoryStores
    ledger: Ledger
    results: TrialStore
    project: ProjectIdentity
    state_dir: Path
    clock: Clock
    tell: Callable[[str], None]

    def begin(self, run: OpenRun, prepared: PreparedRun) -> None:
        """Register the pipeline of a new run, and record the run in the ledger.

        Refuse to begin a run whose suite or profile was retired, archived or burned.
        Also record in the journal of the run how the stages are isolated.
        """
        facts, place = facts_of(run), prepared.sandbox
        if run.state.status in UNBEGUN:
            # A suite may be burned before a restart begins, and no result could be approved.
            self.stores.require_in_use(run.manifest.suite, run.manifest.profile)
            # A fork may have a changed pipeline.
            self.stores.require_version(
                run.manifest.suite, prepared.pipeline, prepared.request.file
            )
        # Also on a resume: the operator may have accepted a changed pipeline.
        registered, _ = self.stores.pipelines.register(
            prepared.pipeline,
            prepared.request.file,
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
        self._require_manifest(facts, list(self.ledger.entries(facts.run_id)))
        run.emit(GUARDED, {"kind": place.kind, **promises_to_record(place.promises)}, sync=True)

    async def finish(self, run: OpenRun, prepared: PreparedRun) -> None:
        """Evaluate a run and its gate, and leave the decision to a person."""
        sealed = self.stores.suite(run.manifest.suite)
        leaks = await in_thread(partial(self._find_leaks, run, sealed))
        self._burn(run, leaks)
        if sealed is not None and not leaks:
            await self._evaluate(run, prepared, sealed)
        judged = self.judged(facts_of(run))
        report = gate(judged)
        self._write(run, _number(run), report)
        if sealed is not None:
            feedback = feedback_on(run.manifest.run_id, judged)
            write_document(run.directory.root / FEEDBACK_FILE, feedback.to_record())
        if leaks:
            run.change_status(FAILED, LEAKED_REASON)
        else:
            words = f"gate: {report.verdict}" if sealed else report.verdict
            run.change_status(AWAITING_DECISION, words)

    def request_again(self, run: OpenRun, by: str) -> None:
        """Record the request for another evaluation; earlier evaluations still count."""
        run_id = run.manifest.run_id
        if run.state.status != AWAITING_DECISION:
            raise NotDecidable(
                f"cannot evaluate {run_id}: it is {run.state.status}",
                hint=before_a_decision(run.state.status, self._reference(run)),
            )
        if not run.manifest.suite:
            raise NotDecidable(f"{run_id} has no suite", hint="start a run with --suite")
        if reason := _why_not(self.judged(facts_of(run))):
            raise NotDecidable(
                f"cannot evaluate {run_id}: {reason}",
                hint="approve or reject it as the gate says, or start a new run",
            )
        run.emit(REQUESTED, {"by": by}, sync=True)
        run.change_status(EVALUATING, f"evaluation requested by {by}")

    def judged(self, run: RunFacts) -> GateInput:
        """Return the input of the gate, from the sealed records and the verified journal."""
        sealed = self.stores.suite(run.manifest.suite)
        # A run without a suite ends without reading the lines of all other runs.
        entries = list(self.ledger.entries("" if sealed else run.run_id))
        own = [one for one in entries if one.run_id == run.run_id]
        pool = EvaluationPool(entries, self.results)
        self._require_manifest(run, own)
        _require_journal(run, own)
        seal = sealed.seal if sealed else ""
        evaluations = tuple(pool.of_run(run.run_id))
        profile, status = self.stores.profile(run.manifest.profile), run.state.status
        return GateInput(
            tree=run.tree,
            suite=sealed.suite if sealed else None,
            suite_seal=seal,
            other_pipeline=self.stores.other_pipeline(sealed, run.pipeline_hash),
            evaluations=evaluations,
            profile=profile,
            by_other_runs=tuple(pool.by_other_runs(run.run_id, run.tree, seal)),
            waivers=waivers_of(
                (one for one in entries if one.run_id in ("", run.run_id)),
                self._opaque_names(sealed),
            ),
            earlier=last_approved(entries, run.run_id, self._opaque_names(sealed)),
            now=self._latest(entries),
            attempts=pool.attempts(seal, run.tree),
            cost_usd=run.cost_usd
            + sum(trial.cost_usd for one in evaluations for trial in one.results),
            window=self._window(entries, profile),
            incidents=leaks_of(own),
            unsearched=unsearched_of(own),
            ended=status.word.value if status in (FAILED, CANCELED) else "",
            base_is_dirty=run.manifest.options.get("include_dirty") is True,
            is_burned=any(
                one.kind == LineKind.BURNED and one.data["content"] == seal for one in entries
            ),
        )

    def _window(self, entries: Sequence[LedgerEntry], profile: Profile) -> WindowFigures:
        """Return the figures over the last decided runs of the project, if a profile wants them."""
        if profile.window is None:
            return WindowFigures()
        return window_figures(entries, self.project.project_id(), profile.window.runs)

    def holdout_names(self, suites: Iterable[str]) -> dict[str, str]:
        """Return the held-out scenarios of pinned suites, for the operator, by opaque names."""
        names: dict[str, str] = {}
        for pinned in sorted(suites):
            names |= self._opaque_names(self.stores.suite(pinned))
        return names

    def _opaque_names(self, sealed: SealedSuite | None) -> Mapping[str, str]:
        """Return the held-out scenarios of a suite by their opaque names."""
        holdouts = sealed.suite.of_split("holdout") if sealed else ()
        return {self.results.opaque_name(one.id): one.id for one in holdouts}

    def _latest(self, entries: Sequence[LedgerEntry]) -> datetime:
        """Return the time; a clock that was set back does not revive an expired waiver."""
        return max([self.clock.now(), *(one.when for one in entries[-1:])])

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
        ended = {"status": status.word.value, "journal_head": run.events.head.hash}
        is_searched = run.manifest.suite and not run.state.is_restarting
        if is_searched and not leaks_of(self.ledger.entries(run.manifest.run_id)):
            try:
                sealed = self.stores.suite(run.manifest.suite)
            except AttractorError as fault:
                ended[UNSEARCHED] = fault.message
                self.tell(
                    f"The files of {run.manifest.run_id} were not searched for holdouts: "
                    f"{fault.message} ({fault.hint or 'restore it from a backup'})."
                )
            else:
                self._burn(run, self._find_leaks(run, sealed))
        self.ledger.append(
            LineKind.ENDED, run.manifest.run_id, ended, now=run.clock.now(), once=True
        )

    def settle_end(self, run: OpenRun) -> None:
        """Refuse a journal without lines before the end of the run that the ledger records.

        If the process died before it changed the status, change the status.
        """
        ended = [one for one in self.ledger.entries(run.manifest.run_id) if one.kind in _ENDS]
        if ended:
            _require_journal(facts_of(run), ended)
        if run.state.status.is_final or not any(one.kind == LineKind.ENDED for one in ended):
            return
        if run.state.status == EVALUATING and not run.state.why_canceled:
            # Only a leak ends an evaluation without a decision.
            run.change_status(FAILED, LEAKED_REASON)
        else:
            end_run(run)

    def describe_attempts(self, pinned: str) -> str:
        """Return a sentence about the attempts with a pinned suite so far, or ""."""
        sealed = self.stores.suite(pinned)
        if sealed is None:
            return ""
        pool = EvaluationPool(list(self.ledger.entries()), self.results)
        # The number of a tree that was not evaluated yet.
        count = pool.attempts(sealed.seal, "") - 1
        most = sealed.suite.settings.gate.max_attempts_per_version
        troubles = "; ".join(map(str, count_troubles(pool.troubles(sealed.seal))))
        trouble = f" Trouble in their trials: {troubles}." if troubles else ""
        trees = "1 tree was" if count == 1 else f"{count} trees were"
        words = f"{trees} evaluated with this version of the suite; the maximum is {most}.{trouble}"
        return words if count else ""

    def has_ended(self, root: Path) -> bool:
        """Return whether the ledger records a final status of a run."""
        run_id = read_manifest(RunDirectory(root)).run_id
        return any(one.kind in _ENDS for one in self.ledger.entries(run_id))

    def _require_manifest(self, run: RunFacts, own: Sequence[LedgerEntry]) -> None:
        """Refuse a changed manifest, because the manifest pins suite and profile."""
        made = [one for one in own if one.kind == LineKind.CREATED]
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

    def _find_leaks(self, run: OpenRun, sealed: SealedSuite | None) -> list[str]:
        """Search for the canary of a suite in all texts that the agents read or wrote.

        The texts of a run that it continues are included.
        """
        if sealed is None:
            return []
        folders = [SearchedFolder("run", run.directory.root)]
        parent, runs_dir = run.manifest.parent, self.project.runs_dir
        while root := parent and find_directory(self.ledger.entries(parent), runs_dir):
            folders.append(SearchedFolder(f"run {parent}", root))
            parent = read_manifest(RunDirectory(root)).parent
        # A run in place works where the holdouts lie, and is not isolated anyway.
        workspace = stored_run(self.state_dir, run.manifest.run_id).workspace
        if workspace and workspace.is_dir():
            folders.append(SearchedFolder("workspace", workspace))
        return find_leaks(sealed.canary, folders)

    def _reference(self, run: OpenRun) -> str:
        return reference_of(run.directory.root, self.project.runs_dir)

    def _burn(self, run: OpenRun, leaks: Sequence[str]) -> None:
        """Record leaks, if any, and end the version of the suite: its holdouts are known."""
        if not leaks:
            return
        run_id, pinned, now = run.manifest.run_id, run.manifest.suite, run.clock.now()
        data: JsonObject = {
            "suite": pinned,
            "places": [*leaks[:MOST_PLACES]],
            "count": len(leaks),
        }
        self.ledger.append(LineKind.LEAKED, run_id, data, now=now, once=True)
        version = self.stores.suites.versions.of_pin(pinned)
        ending = Ending(BURNED, now, f"run {run_id}", "a holdout leaked")
        self.stores.suites.versions.end(version, ending)
        run.emit("HoldoutLeaked", {"suite": pinned, "places": len(leaks)}, sync=True)
        self.tell(
            f"A holdout leaked: the canary of {version} was found in "
            f"{'1 file' if len(leaks) == 1 else f'{len(leaks)} files'}, so this version is burned. "
            f"List the files: attractor gate {self._reference(run)} --operator"
        )

    async def _evaluate(self, run: OpenRun, prepared: PreparedRun, sealed: SealedSuite) -> None:
        evaluation_id = EvaluationId(run.manifest.run_id, _number(run), run.progress.tree)
        judged = self.judged(facts_of(run))
        if len(judged.evaluations) >= evaluation_id.number:
            # The process died after the ledger line, before the status change.
            return
        log = TrialLog(run, evaluation_id, self.results)
        policy = judged.profile.policy
        protected = await protected_changes(
            prepared.workspace,
            evaluation_id.tree,
            prefix=await _prefix_of_project(prepared),
            more=policy.protected_paths,
            allowed=policy.unprotected_paths,
        )
        begun = EvaluationStart(
            evaluation_id, sealed.seal, _kept_promises(run, prepared), protected
        )
        results = await self._play(run, prepared, sealed, log, begun)
        trials = [self.results.public_record(evaluation_id, one) for one in results]
        record = evaluated_to_record(begun, trials, run.events.head.hash)
        self.ledger.append(LineKind.EVALUATED, run.manifest.run_id, record, now=run.clock.now())

    async def _play(
        self,
        run: OpenRun,
        prepared: PreparedRun,
        sealed: SealedSuite,
        log: TrialLog,
        begun: EvaluationStart,
    ) -> list[TrialResult]:
        """Play missing trials; if this tree was already evaluated often enough, play no trials."""
        suite = sealed.suite
        earlier = log.earlier(suite)
        # Before the first trial: a check that cannot be judged would count against the candidate.
        await require_judgeable(suite, prepared.host.environ)
        if reason := self._begin_evaluation(run, begun):
            prepared.host.tell(f"No trial was played: {reason}.")
            return []
        # The player imports httpx, which only evaluations need.
        from attractor.factory.evaluation.trial_player import judge_of, trial_player

        # From inside, a trial looks like a stage, so its folder is a repository.
        export = partial(prepared.workspace.export, run.progress.tree, repository=True)
        settings = suite.settings.trials
        if settings.concurrency > 1 and not prepared.sandbox.promises.own_network:
            prepared.host.tell(
                "Trials are played one at a time: without a sandbox, they would share their ports."
            )
            settings = settings.model_copy(update={"concurrency": 1})
        holdouts = suite.of_split("holdout")
        async with (
            judge_of(suite, prepared.host) as ask_judge,
            trial_player(export, prepared.sandbox, sealed, prepared.host) as player,
        ):
            player = replace(player, ask_judge=ask_judge)
            return await evaluate(holdouts, player.play_trial, log, settings, earlier=earlier)

    def _begin_evaluation(self, run: OpenRun, begun: EvaluationStart) -> str:
        """Record the start of an evaluation, or return the reason why it must not start.

        An evaluation that started before a crash continues.
        """
        run_id = run.manifest.run_id
        # Otherwise, evaluations that start at the same time could exceed the limits together.
        with self.ledger.locked(f"attractor: {LineKind.EVALUATION_BEGUN}"):
            pool = EvaluationPool(list(self.ledger.entries(run_id)), self.results)
            if pool.has_begun(begun.evaluation_id):
                return ""
            reason = _why_not(self.judged(facts_of(run)))
            if not reason:
                self.ledger.append(
                    LineKind.EVALUATION_BEGUN, run_id, begun.to_record(), now=run.clock.now()
                )
            return reason

    def _write(self, run: OpenRun, number: int, report: GateReport) -> None:
        folder = run.directory.root / "evaluation" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        write_document(folder / "report.json", run.redactor.members(report.to_record()))
        run.emit(GATE_EVALUATED, {"evaluation": number, **report.to_record()}, sync=True)


def _number(run: OpenRun) -> int:
    """Return the number of the current evaluation of a run, from 1."""
    return 1 + sum(1 for _ in events_of(run.directory.events, (REQUESTED,)))


def _why_not(judged: GateInput) -> str:
    """Return the reason why the tree must not be evaluated (again), or ""."""
    if judged.suite is None:
        return "the run has no suite"
    settings = judged.suite.settings.gate
    tried = (*judged.evaluations, *judged.by_other_runs)
    # An evaluation that finished without trials was refused, and one that did not finish began.
    begun = [one for one in tried if one.results or not one.is_finished]
    times = sum(judged.is_trusted(one) for one in begun)
    if times >= settings.max_evaluations:
        return f"its tree was already evaluated {times} times (max_evaluations)"
    if judged.attempts > settings.max_attempts_per_version:
        most = settings.max_attempts_per_version
        trees = "1 tree was" if most == 1 else f"{most} trees were"
        return f"{trees} evaluated with its version of the suite, the maximum"
    return ""


async def _prefix_of_project(prepared: PreparedRun) -> str:
    """Return the path of the project in the trees of a run."""
    if prepared.request.workspace is not WorkspaceKind.ISOLATED:
        return ""
    host = prepared.host
    return (await open_repository(host.project, search_path=host.search_path)).prefix


def _kept_promises(run: OpenRun, prepared: PreparedRun) -> Promises:
    """Return the promises that held for all stages and for the trials."""
    if not prepared.request.workspace.is_apart:
        return Promises()
    promises = [
        promises_to_record(run.manifest.promises),
        promises_to_record(prepared.sandbox.promises),
    ]
    promises += [dict(one.data) for one in events_of(run.directory.events, (GUARDED,))]
    return Promises(**{name: all(one.get(name) is True for one in promises) for name in NAMES})


def _require_journal(run: RunFacts, own: Sequence[LedgerEntry]) -> None:
    """Refuse a corrupt journal, and a journal that lacks lines recorded in the ledger."""
    journal = run.directory.events
    sealed = {
        str(one.data["journal_head"]) for one in own if one.kind in (LineKind.EVALUATED, *_ENDS)
    }
    # The state of the run was read from this journal.
    known = {run.head.hash} if run.head != GENESIS else set[str]()
    if verify_journal(journal, heads=sealed | known):
        raise ChainBroken(
            f"{journal} is incomplete: lines whose hashes are in the ledger are missing",
            hint="restore it from a backup",
        )
