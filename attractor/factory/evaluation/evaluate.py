"""Evaluates a run: checks protected paths, plays the suite on the tree, evaluates the gate."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError
from attractor.base.records import write_fields
from attractor.engine.budgets import Budgets
from attractor.engine.journal.reader import events_of
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.run_folder.layout import Manifest, RunDirectory
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.run_state import (
    AWAITING_DECISION,
    CANCELED,
    EVALUATING,
    FAILED,
    RunStatus,
)
from attractor.engine.storage.json_files import write_document
from attractor.environments.environment import Promises
from attractor.factory.candidate_run import (
    CandidateRun,
    before_a_decision,
    facts_of,
    lineage_of,
    read_candidate_run,
    restarted_in,
)
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluation.answers import answers_of
from attractor.factory.evaluation.elsewhere import play_elsewhere, stop_trials, take_lines
from attractor.factory.evaluation.feedback import FEEDBACK_FILE, Feedback, feedback_on
from attractor.factory.evaluation.gate import gate
from attractor.factory.evaluation.kept_setup import KeptSetup
from attractor.factory.evaluation.leaks import find_leaks_of_run, record_leaks
from attractor.factory.gate_records import CarriedPaths, EvaluationRecord, GateInput, WindowFigures
from attractor.factory.history.records import (
    EvaluationPool,
    EvaluationStart,
    evaluated_to_record,
    last_approved,
    leaks_of,
    removed_tasks,
    replays_of,
    unsearched_of,
    waivers_of,
)
from attractor.factory.history.report import verdict_cost
from attractor.factory.history.trials import EvaluationId, TrialLog, TrialStore
from attractor.factory.history.window import window_figures
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject, TrialsElsewhere
from attractor.factory.races import Race, race_with, races_in
from attractor.factory.register import (
    LEAKED_REASON,
    promises_kept_in,
    require_journal,
    require_manifest,
    weakest,
    write_report,
)
from attractor.factory.resources.profiles import ProfilePolicy
from attractor.factory.resources.protected_paths import protected_changes
from attractor.factory.resources.suite_figures import figures_in
from attractor.factory.resources.suites import carried_of_registrations
from attractor.factory.resources.versions import (
    PROVED_ON,
    cheat_words,
    registration_notes,
    split_pin,
)
from attractor.factory.specification import compare_specification
from attractor.pipeline.plan.run_plan import BegunRun, RunPlan
from attractor.records.lookup import is_run, reference_of
from attractor.records.request import Submission, how_to_be_judged, read_request
from attractor.records.summary import place_of, summarize_any
from attractor.scenarios.carried_paths import changed_since_registration, read_carried
from attractor.scenarios.check import require_judgeable
from attractor.scenarios.evaluation import (
    EarlierTrials,
    NoResult,
    TrialResult,
    count_troubles,
    seeded_suite,
    trial_keys,
)
from attractor.scenarios.findings import ChangeReading
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite_lint import SuiteRefused, threshold_faults
from attractor.scenarios.trial_twins import require_startable
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import open_repository

REQUESTED = "EvaluationRequested"


@dataclass(frozen=True)
class Evaluator:
    """Evaluates finished runs of a project."""

    opened: OpenProject

    @cached_property
    def results(self) -> TrialStore:
        """The trials of the state folder."""
        return TrialStore(self.opened.project.machine.state_dir / "results", self.ledger)

    @property
    def ledger(self) -> Ledger:
        """The ledger of the state folder."""
        return self.opened.ledger

    async def finish(self, begun: BegunRun) -> None:
        """Evaluate a run with a suite and its gate, and leave the decision to a person."""
        run = begun.run
        sealed = self.opened.suites.open(self.opened.suites.versions.of_pin(run.manifest.suite))
        leaks = await in_thread(partial(find_leaks_of_run, self.opened, run, sealed))
        record_leaks(self.opened, run, leaks)
        if not leaks:
            await self._evaluate(begun, sealed)
        judged = self.judged(facts_of(run))
        report = gate(judged)
        write_report(run, _number(run), report)
        feedback = feedback_on(run.manifest.run_id, judged)
        write_document(run.directory.root / FEEDBACK_FILE, write_fields(feedback))
        if leaks:
            run.change_status(FAILED, LEAKED_REASON)
        else:
            run.change_status(AWAITING_DECISION, f"gate: {report.verdict}")

    def request_again(self, run: OpenRun, by: str) -> None:
        """Record the request for another evaluation; earlier evaluations still count."""
        run_id = run.manifest.run_id
        self._require_evaluable(run, AWAITING_DECISION)
        judged = self.judged(facts_of(run))
        if not all(evaluation.is_finished for evaluation in judged.evaluations):
            # Its trials would count together with those that have no result.
            [rule] = [reason for reason in gate(judged).reasons if reason.rule == "infra_errors"]
            raise NotDecidable(f"cannot evaluate {run_id} again: {rule.words}")
        if reason := _why_not(judged):
            raise NotDecidable(
                f"cannot evaluate {run_id}: {reason}",
                hint="approve or reject it as the gate says, or start a new run",
            )
        run.emit(REQUESTED, {"by": by}, sync=True)
        run.change_status(EVALUATING, f"evaluation requested by {by}")

    def replay_cut(self, run: OpenRun, by: str, rationale: str) -> None:
        """Record a person's order to play the cut trials of a run again, each only once."""
        run_id = run.manifest.run_id
        if not rationale.strip():
            raise UsageError("missing reason", hint='say why: --reason "..."')
        self._require_evaluable(run, EVALUATING, AWAITING_DECISION)
        if run.state.status == EVALUATING and self.opened.elsewhere:
            # Another machine may still play the trials that count as cut here.
            raise NotDecidable(
                f"the evaluation of {run_id} has not ended",
                hint=f"resume it first: attractor resume {run_id}",
            )
        sealed = self.opened.suites.open(self.opened.suites.versions.of_pin(run.manifest.suite))
        log = self._log(run)
        earlier = log.earlier(sealed.suite).results
        cut = [key for key, trial in earlier.items() if log.can_replay(trial)]
        if not cut:
            is_cut = any(trial.no_result is NoResult.CUT for trial in earlier.values())
            raise NotDecidable(
                f"no trial of {run_id} {'can be played again' if is_cut else 'was cut'}",
                hint=(
                    "a trial is played again only once: change the tree in a new run"
                    if is_cut
                    else f"see: attractor gate {run_id}"
                ),
            )
        if run.state.status != EVALUATING:
            run.change_status(EVALUATING, f"cut trials played again by {by}")
        order = {"tree": log.evaluation_id.tree, "suite_seal": sealed.seal}
        log.replay(cut, {**order, "by": by, "rationale": rationale.strip()})

    def judge_again(self, run: OpenRun, by: str) -> None:
        """Continue the last evaluation of a run with its unjudged trials; play no other trial."""
        self._require_evaluable(run, EVALUATING, AWAITING_DECISION)
        if run.state.status == EVALUATING:
            raise NotDecidable(
                f"the evaluation of {run.manifest.run_id} has not ended",
                hint=f"resume it; the judge is asked again at its end: attractor resume "
                f"{run.manifest.run_id}",
            )
        judged = self.judged(facts_of(run))
        trials = [trial for evaluation in judged.evaluations for trial in evaluation.results]
        if not any(trial.no_result is NoResult.UNJUDGED for trial in trials):
            raise NotDecidable(
                f"all trials of {run.manifest.run_id} that ended are judged",
                hint=f"see: attractor gate {run.manifest.run_id}",
            )
        run.change_status(EVALUATING, f"judge asked again by {by}")

    def end_trials(self, run: OpenRun) -> None:
        """Record the trials that were in flight when the process of a run died as cut.

        Other machines that play them stop first, and tell what happened until then.
        """
        sealed = self.opened.suites.open(self.opened.suites.versions.of_pin(run.manifest.suite))
        log = self._log(run)
        if elsewhere := self._other_machines(log):
            stop_trials(elsewhere, log, sealed.suite)
        log.earlier(sealed.suite)

    def _other_machines(self, log: TrialLog) -> TrialsElsewhere | None:
        """Return the other machines that play trials; refuse to forget those that got some."""
        if self.opened.elsewhere:
            return self.opened.elsewhere()
        if log.times_sent():
            raise Refused(
                f"trials of {log.evaluation_id.run_id} were sent to the pool evaluate, and "
                "fleet.sealed_store is not set here",
                hint="set it as where they were sent from, so that no trial is played twice",
            )
        return None

    def _require_evaluable(self, run: OpenRun, *statuses: RunStatus) -> None:
        """Refuse a run without a suite, and a run with another status."""
        run_id, status = run.manifest.run_id, run.state.status
        if status not in statuses:
            name = reference_of(run.directory.root, self.opened.project.runs_dir)
            raise NotDecidable(
                f"cannot evaluate {run_id}: it is {status}", hint=before_a_decision(status, name)
            )
        if not run.manifest.suite:
            raise NotDecidable(f"{run_id} has no suite", hint=how_to_be_judged(run.manifest))

    def _log(self, run: OpenRun) -> TrialLog:
        evaluation_id = EvaluationId(run.manifest.run_id, _number(run), run.progress.tree)
        return TrialLog(run, evaluation_id, self.results)

    def judged(self, run: CandidateRun) -> GateInput:
        """Return the input of the gate, from the sealed records and the verified journal."""
        sealed = self.opened.suite(run.manifest.suite)
        # A run without a suite ends without reading the lines of all other runs.
        entries = list(self.ledger.entries("" if sealed else run.run_id))
        own = [entry for entry in entries if entry.run_id == run.run_id]
        pool = EvaluationPool(entries, self.results)
        require_manifest(self.opened, run, own)
        require_journal(run, own)
        seal, request = sealed.seal if sealed else "", read_request(run.manifest)
        version = self.opened.suites.versions.of_pin(run.manifest.suite) if sealed else None
        named = sealed.suite.settings.pipeline if sealed and not request.is_work_of_any else ()
        evaluations = tuple(pool.of_run(run.run_id))
        races = races_in(entries)
        base = _compared_base(run.manifest, sealed)
        others = tuple(pool.by_other_runs(run.run_id, run.tree, seal, base))
        attempts = self._attempts_of(races, [record.run_id for record in others])
        # Of equal trees, one evaluation is that of all.
        played = [*evaluations, *(record for record in others if record.run_id in attempts)]
        profile, status = self.opened.profile(run.manifest.profile), run.state.status
        # A clock that was set back does not revive an expired waiver.
        project_id, limits = self.opened.identity.project_id(), profile.window
        window = window_figures(entries, project_id, limits.runs) if limits else WindowFigures()
        return GateInput(
            tree=run.tree,
            suite=sealed.suite if sealed else None,
            suite_seal=seal,
            suite_notes=(*registration_notes(version), cheat_words(version)) if version else (),
            has_baselines=bool(version and version.data.get(PROVED_ON)),
            measured=figures_in(entries, project_id, seal),
            cost=verdict_cost(own),
            registered=carried_of_registrations(entries, project_id, seal),
            other_versions=self.opened.pipelines.other_versions(
                named, run.manifest.pipeline, run.pipeline_hash
            ),
            evaluations=evaluations,
            profile=profile,
            by_other_runs=others,
            waivers=waivers_of(
                (entry for entry in entries if entry.run_id in ("", run.run_id)),
                self._opaque_names(sealed),
            ),
            earlier=last_approved(entries, run.run_id, self._opaque_names(sealed)),
            now=max([self.opened.now(), *(entry.when for entry in entries[-1:])]),
            attempts=pool.attempts(seal, run.tree, restarted_in(run.directory.root)),
            # Also in another run, the tree of an attempt is one of its race.
            race=race_with(races, [*lineage_of(run), *attempts.values()]) if races else None,
            by_attempts=frozenset(attempts),
            usage=sum(self._used_by(request.submission, entries, played), run.state.used),
            window=window,
            incidents=leaks_of(own),
            unsearched=unsearched_of(own),
            answers=answers_of(self.opened, run),
            ended=status.word.value if status in (FAILED, CANCELED) else "",
            base_is_dirty=run.manifest.options.get("include_dirty") is True,
            replays=replays_of(entries, run.tree, seal),
            exposure=request.submission.exposure if request.submission else "",
            place=self._place_of(run.manifest, request.submission),
            is_burned=_is_burned(seal, entries),
        )

    def _place_of(self, manifest: Manifest, submission: Submission | None) -> str:
        """Return the places in which a run, or the work that it submits, had no sandbox."""
        runs_dir = self.opened.project.runs_dir
        roots = [runs_dir / run_id for run_id in (submission.runs if submission else ())]
        known = [summarize_any(root).place for root in roots if is_run(RunDirectory(root))]
        return ", ".join(dict.fromkeys(filter(None, [place_of(manifest), *known])))

    def _attempts_of(self, races: Iterable[Race], run_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the attempts of races that are among runs, or were restarted as them, by run."""
        known = {run_id for race in races for run_id in race.run_ids}
        runs_dir = self.opened.project.runs_dir
        return {
            run_id: attempt
            for run_id in (run_ids if known else ())
            for attempt in restarted_in(runs_dir / run_id)
            if attempt in known
        }

    def _used_by(
        self,
        submission: Submission | None,
        entries: Iterable[LedgerEntry],
        played: Iterable[EvaluationRecord],
    ) -> Iterator[Usage]:
        """Yield the usage of trials and readers, and of the runs whose work is submitted."""
        runs_dir = self.opened.project.runs_dir
        for record in played:
            yield from (trial.usage for trial in record.results)
            yield record.reading.usage if record.reading else NOTHING_USED
        if submission is None:
            return
        removed = removed_tasks(entries)
        roots = [runs_dir / run_id for run_id in submission.runs]
        yield from (summarize_any(root).usage for root in roots if is_run(RunDirectory(root)))
        yield from (removed[run_id].usage for run_id in submission.runs if run_id in removed)

    def holdout_names(self, suites: Iterable[str]) -> dict[str, str]:
        """Return the held-out scenarios of pinned suites, for the operator, by opaque names."""
        names: dict[str, str] = {}
        for pinned in sorted(suites):
            names |= self._opaque_names(self.opened.suite(pinned))
        return names

    def _opaque_names(self, sealed: SealedSuite | None) -> Mapping[str, str]:
        """Return the held-out scenarios of a suite by their opaque names."""
        holdouts = sealed.suite.of_split("holdout") if sealed else ()
        return {self.results.opaque_name(holdout.id): holdout.id for holdout in holdouts}

    def describe_attempts(self, pinned: str) -> str:
        """Return a sentence about the attempts with a pinned suite so far, or ""."""
        sealed = self.opened.suite(pinned)
        if sealed is None:
            return ""
        pool = EvaluationPool(list(self.ledger.entries()), self.results)
        # The number of a tree that was not evaluated yet.
        count = pool.attempts(sealed.seal, "") - 1
        most = sealed.suite.settings.gate.max_attempts_per_version
        troubles = "; ".join(map(str, count_troubles(pool.troubles(sealed.seal))))
        trouble = f" Trouble in their trials: {troubles}." if troubles else ""
        trees = "1 tree was" if count == 1 else f"{count} trees were"
        if any(race.suite_seal == sealed.seal for race in races_in(pool.entries)):
            trees = f"With all attempts of races, {trees}"
        words = f"{trees} evaluated with this version of the suite; the maximum is {most}.{trouble}"
        return words if count else ""

    def count_attempts(self, pinned: str) -> int:
        """Return the number of trees that were evaluated with a pinned suite."""
        if (sealed := self.opened.suite(pinned)) is None:
            return 0
        return (
            EvaluationPool(list(self.ledger.entries()), self.results).attempts(sealed.seal, "") - 1
        )

    def attempts_left(self, pinned: str) -> int:
        """Return how many more trees may be evaluated with a pinned suite; 0 without one."""
        if (sealed := self.opened.suite(pinned)) is None:
            return 0
        pool = EvaluationPool(list(self.ledger.entries()), self.results)
        most = sealed.suite.settings.gate.max_attempts_per_version
        return max(0, most + 1 - pool.attempts(sealed.seal, ""))

    async def _evaluate(self, begun: BegunRun, sealed: SealedSuite) -> None:
        run = begun.run
        log = self._log(run)
        evaluation_id = log.evaluation_id
        judged = self.judged(facts_of(run))
        if sum(evaluation.is_finished for evaluation in judged.evaluations) >= evaluation_id.number:
            # The process died after the ledger line, before the status change.
            return
        protected = await _protected_changes(begun, evaluation_id.tree, judged.profile.policy)
        scope, project = begun.plan.scope, begun.plan.scope.project
        files = await in_thread(
            partial(read_carried, sealed.suite, scope.preparation, project.root)
        )
        downloads = [f"{name} downloads" for name in project.downloads]
        carried = CarriedPaths((*files.paths, *downloads), files.content)
        listed = sealed.suite.requirements
        start = EvaluationStart(
            evaluation_id,
            sealed.seal,
            _kept_promises(begun, self.ledger),
            protected,
            carried,
            base=_compared_base(run.manifest, sealed),
            specification=await compare_specification(
                listed,
                begun.workspace,
                evaluation_id.tree,
                prefix=await _prefix_of_project(begun.plan) if listed.requirement else "",
            ),
        )
        if elsewhere := self._other_machines(log):
            # First: `earlier` records the trials in flight as cut.
            await take_lines(elsewhere, log, sealed.suite)
        earlier = log.earlier(sealed.suite)
        state, tell = project.machine.state_dir, project.console.tell
        kept = KeptSetup(log, state, sealed.suite.settings, tell)
        if carried.content not in ("", *judged.registered):
            version = self.opened.suites.versions.of_pin(run.manifest.suite)
            changes = self.opened.suites.carried_changes(version, files)
            words = changed_since_registration(changes)
            tell(f"{words}. The gate is no-go until a person registers again.")
        results = await self._play(begun, sealed, kept, start, earlier)
        if recorded := self._recorded_carried(start):
            # The paths of trials that were all played before do not matter any more.
            if len(results) > len(earlier.results) and (
                carried != recorded or await in_thread(files.have_changed)
            ):
                recorded = replace(recorded, have_changed=True)
            start = replace(start, carried=recorded)
        start = replace(start, setup=log.setup(), of_tree=log.of_tree)
        if results:
            start = replace(start, reading=await self._read(begun, sealed, start))
        trials = [self.results.public_record(evaluation_id, trial) for trial in results]
        record = evaluated_to_record(start, trials, run.events.head.hash)
        is_unfinished = any(trial.no_result for trial in results)
        kind = LineKind.UNFINISHED if is_unfinished else LineKind.EVALUATED
        self.ledger.append(kind, run.manifest.run_id, record, now=run.clock.now())
        if not is_unfinished:
            await kept.remove()

    async def _read(
        self, begun: BegunRun, sealed: SealedSuite, start: EvaluationStart
    ) -> ChangeReading | None:
        """Return the reading of the change, as recorded or new; None without a judge."""
        run, suite = begun.run, sealed.suite
        if not suite.settings.judge.model:
            return None
        entries = list(self.ledger.entries(run.manifest.run_id))
        known = EvaluationPool(entries, self.results).of_run(run.manifest.run_id)[
            _number(run) - 1 :
        ]
        if known and (found := known[0].reading) and not found.not_read:
            return found
        # It imports the model client, which few suites need.
        from attractor.scenarios.reader import read_change

        return await read_change(
            begun.workspace,
            run.progress.tree,
            suite,
            begun.plan.scope,
            carried=start.carried.paths,
            redact=run.redactor,
        )

    async def _play(
        self,
        begun: BegunRun,
        sealed: SealedSuite,
        kept: KeptSetup,
        start: EvaluationStart,
        earlier: EarlierTrials,
    ) -> list[TrialResult]:
        """Play missing trials; if this tree was already evaluated often enough, play no trials."""
        run, suite, scope = begun.run, sealed.suite, begun.plan.scope
        tell = scope.project.console.tell
        if cut := sum(trial.no_result is NoResult.CUT for trial in earlier.results.values()):
            tell(
                f"{number_of(cut, 'trial')} ended early and will not be played again by "
                f"{'itself' if cut == 1 else 'themselves'}: attractor evaluate "
                f'{run.manifest.run_id} --replay-cut --reason "..."'
            )
        elsewhere = self._elsewhere(begun, start.carried)
        if elsewhere is None:
            # First: a check that cannot be judged would count against the candidate.
            await require_judgeable(suite, scope.project.machine.environ)
        if reason := self._begin_evaluation(run, start):
            tell(f"No trial was played: {reason}.")
            return []
        if elsewhere:
            return await self._play_elsewhere(elsewhere, begun, sealed, kept.log, earlier)
        time, log = Budgets(duration=begun.plan.budgets.duration), kept.log
        sealed = replace(sealed, suite=seeded_suite(suite, log.of_tree))

        def require_time() -> None:
            time.require_remaining(run, evaluated_seconds=log.seconds())

        # The player imports httpx, which only evaluations need.
        from attractor.factory.evaluation.trial_player import play_holdouts

        return await play_holdouts(
            begun, sealed, log, earlier, keep=kept.keep, before_trial=require_time
        )

    def _elsewhere(self, begun: BegunRun, carried: CarriedPaths) -> TrialsElsewhere | None:
        """Return the other machines that play the trials, or None; print why they cannot."""
        if self.opened.elsewhere is None:
            return None
        kind, runs_dir = begun.plan.request.workspace, self.opened.project.runs_dir
        if carried.content:
            why = ", ".join(carried.paths)
        elif not workspace_registry()[kind].is_apart:
            why = f"{kind} files"
        elif not is_run(RunDirectory(runs_dir / begun.plan.run_id)):
            why = f"a run directory outside of {runs_dir}"
        else:
            return self.opened.elsewhere()
        tell = begun.plan.scope.project.console.tell
        tell(f"The trials are played on this machine, because they need what it has: {why}.")
        return None

    async def _play_elsewhere(
        self,
        elsewhere: TrialsElsewhere,
        begun: BegunRun,
        sealed: SealedSuite,
        log: TrialLog,
        earlier: EarlierTrials,
    ) -> list[TrialResult]:
        """Let another machine play missing trials; return all results when it has ended."""
        run, keys, results = begun.run, trial_keys(sealed.suite), earlier.results
        if any(key not in results or results[key].kept for key in keys):
            await play_elsewhere(elsewhere, self.opened, begun, sealed, log, earlier)
            results = log.earlier(sealed.suite).results
        if missing := [key for key in keys if key not in results]:
            time = Budgets(duration=begun.plan.budgets.duration)
            time.require_remaining(run, evaluated_seconds=log.recorded_seconds())
            raise Refused(
                f"{number_of(len(missing), 'trial')} of {run.manifest.run_id} not played yet",
                hint=f"play the rest: attractor resume {run.manifest.run_id}",
            )
        return [results[key] for key in keys]

    def _recorded_carried(self, start: EvaluationStart) -> CarriedPaths | None:
        """Return the carried paths that the ledger has for a begun evaluation, or None."""
        entries = list(self.ledger.entries(start.evaluation_id.run_id))
        return EvaluationPool(entries, self.results).carried_paths(start.evaluation_id)

    def _begin_evaluation(self, run: OpenRun, begun: EvaluationStart) -> str:
        """Record the start of an evaluation, or return the reason why it must not start.

        An evaluation that started before a crash continues.
        """
        run_id = run.manifest.run_id
        # Otherwise, evaluations that start at the same time could exceed the limits together.
        with self.ledger.locked(f"attractor: {LineKind.EVALUATION_BEGUN}"):
            pool = EvaluationPool(list(self.ledger.entries(run_id)), self.results)
            if pool.carried_paths(begun.evaluation_id):
                return ""
            judged = self.judged(facts_of(run))
            reason = _why_not(judged)
            if not reason and begun.evaluation_id.number == 1:
                # A person may order a second one.
                reason = _why_known(judged, run.manifest.rebased_from)
            if not reason:
                pool = EvaluationPool(list(self.ledger.entries()), self.results)
                number = pool.next_of_tree(begun.suite_seal, begun.evaluation_id.tree)
                begun = replace(begun, of_tree=number)
                self.ledger.append(
                    LineKind.EVALUATION_BEGUN, run_id, begun.to_record(), now=run.clock.now()
                )
            return reason


def _compared_base(manifest: Manifest, sealed: SealedSuite | None) -> str:
    """Return the tree before the change, if scenarios of a suite need it, or ""."""
    needs_base = sealed and any(one.needs_base for one in sealed.suite.scenarios)
    return manifest.base.candidate if needs_base else ""


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
    begun = [evaluation for evaluation in tried if evaluation.results or not evaluation.is_finished]
    times = sum(judged.is_trusted(evaluation) for evaluation in begun)
    if times >= settings.max_evaluations:
        return f"its tree was already evaluated {times} times (max_evaluations)"
    # A canceled evaluation that did not finish is not that of equal trees.
    counting = [record.run_id for record in begun if record.is_finished or not record.is_final]
    if same := [run_id for run_id in counting if run_id in judged.by_attempts]:
        return f"its tree is that of {same[0]}, another attempt of a race, whose evaluation counts"
    if judged.attempts > settings.max_attempts_per_version:
        most = settings.max_attempts_per_version
        trees = "1 tree was" if most == 1 else f"{most} trees were"
        return f"{trees} evaluated with its version of the suite, the maximum"
    return ""


def _why_known(judged: GateInput, parent: str) -> str:
    """Return why a run that was rebased from another one needs no evaluation of its own, or "".

    A branch may have changed only files that candidates do not contain.
    """
    others = [record for record in judged.by_other_runs if record.is_finished and record.results]
    if not parent or not any(judged.is_trusted(record) for record in others):
        return ""
    return "the rebase did not change its tree, whose evaluation counts"


def _is_burned(seal: str, entries: Iterable[LedgerEntry]) -> bool:
    return any(one.kind == LineKind.BURNED and one.data["content"] == seal for one in entries)


async def _protected_changes(
    begun: BegunRun, tree: TreeId, policy: ProfilePolicy
) -> tuple[str, ...]:
    """Return the protected paths that changed, also those that no workspace contains."""
    submission = begun.plan.request.submission
    found = await protected_changes(
        begun.workspace,
        tree,
        prefix=await _prefix_of_project(begun.plan),
        more=policy.protected_paths,
        allowed=policy.unprotected_paths,
    )
    return (*(submission.protected if submission else ()), *found)


async def _prefix_of_project(plan: RunPlan) -> str:
    """Return the path of the project in the trees of a run."""
    if workspace_registry()[plan.request.workspace].how_delivered != "branch":
        return ""
    project = plan.scope.project
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    return repository.prefix


def _kept_promises(begun: BegunRun, ledger: Ledger) -> Promises:
    """Return the promises that held for all stages and for the trials."""
    run, plan = begun.run, begun.plan
    if not workspace_registry()[plan.request.workspace].is_apart:
        return Promises()
    promises = [plan.sandbox.promises, promises_kept_in(run.directory)]
    submission = plan.request.submission
    if submission and submission.exposure:
        return Promises()
    if submission:
        removed = removed_tasks(ledger.entries())
        runs_dir = run.directory.root.parent
        # The weakest sandbox of the work counts.
        promises += [
            removed[run_id].promises
            if run_id in removed
            else promises_kept_in(RunDirectory(runs_dir / run_id))
            for run_id in submission.runs
        ]
    return weakest(promises)


def read_feedback(root: Path, opened: OpenProject, suite: str) -> Feedback:
    """Return the feedback on an earlier run of this project, computed from the verified records.

    Refuse a run that was judged by another suite than `suite`, a reference of the next run.
    """
    opened.require_own(root)
    facts = read_candidate_run(root)
    named = suite.partition("@")[0]
    judging = split_pin(facts.manifest.suite)[0].partition("@")[0]
    if not judging or named != judging:
        raise UsageError(
            f"{facts.run_id} was judged by {f'suite {judging}' if judging else 'no suite'}",
            hint=f"pass --suite {judging}" if judging else "name a run with a suite",
        )
    judged = Evaluator(opened).judged(facts)
    if not judged.evaluations and not judged.incidents:
        raise UsageError(
            f"{facts.run_id} has no feedback: it was not evaluated",
            hint=f"attractor evaluate {facts.run_id}",
        )
    return feedback_on(facts.run_id, judged)


async def require_usable(
    sealed: SealedSuite, environ: Mapping[str, str], *, evaluates: bool
) -> None:
    """Refuse a suite with impossible thresholds.

    Before an evaluation, also refuse checks that this machine cannot judge, and twins that do not
    start.
    """
    if faults := list(threshold_faults(sealed.suite)):
        raise SuiteRefused(faults)
    if evaluates:
        await require_judgeable(sealed.suite, environ)
        await require_startable(sealed.suite.settings.twins, sealed.folder)
