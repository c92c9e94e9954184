"""Evaluates a run: plays its suite on copies of its tree, seals the result, and asks the gate."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken, ChainBroken
from attractor.base.hash_chain import GENESIS
from attractor.engine.json_files import write_document
from attractor.engine.run_folder.layout import (
    NAMES,
    RunDirectory,
    promises_to_record,
    read_manifest,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.checkpoint import verify_journal
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING, QUEUED
from attractor.environments.environment import Promises
from attractor.environments.selection import Choice
from attractor.factory import when_needed
from attractor.factory.decisions import DECIDED
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluated import BEGUN, EVALUATED, Begun, Pool, evaluated_to_record
from attractor.factory.gate import GateReport, Judged, gate
from attractor.factory.ledger import Entry, Ledger
from attractor.factory.pinned import Stores
from attractor.factory.project import Project
from attractor.factory.protected_paths import protected_changes
from attractor.factory.results import Results, Sitting
from attractor.factory.run_facts import RunFacts, facts_of
from attractor.factory.trial_log import TrialLog, events_of
from attractor.pipeline.session import EndedWalk
from attractor.scenarios.evaluation import TrialResult, evaluate
from attractor.scenarios.suite_reader import SealedSuite

GATE_EVALUATED = "GateEvaluated"
REQUESTED = "EvaluationRequested"
CREATED = "created"
GUARDED = "StagesGuarded"
MOST_EVALUATIONS = 2


@dataclass(frozen=True)
class Evaluator:
    """Evaluates runs that ended well; built once for a call in a project."""

    stores: Stores
    ledger: Ledger
    results: Results
    project: Project
    trials: Path

    def begin(self, run: OpenRun, place: Choice) -> None:
        """Seal what a new run was made from, and note what guards its stages from here on."""
        facts = facts_of(run)
        if run.state.standing == QUEUED:
            made = {
                "manifest": facts.manifest_hash(),
                **self.project.describe(run.directory.root),
            }
            self.ledger.append(CREATED, facts.run_id, made, now=run.clock.now(), once=True)
        self._require_manifest(facts, list(self.ledger.entries(facts.run_id)))
        run.emit(GUARDED, {"kind": place.kind, **promises_to_record(place.promises)}, sync=True)

    async def finish(self, ended: EndedWalk) -> None:
        """Evaluate a run, ask the gate and leave the run to a person's decision."""
        run = ended.run
        sealed = self.stores.suite(run.manifest.suite)
        if sealed is not None:
            await self._evaluate(ended, sealed)
        report = gate(self.judged(facts_of(run)))
        self._write(run, _number(run), report)
        run.change_status(AWAITING_DECISION, f"gate: {'go' if report.go else 'no-go'}")

    def request_again(self, run: OpenRun, by: str) -> None:
        """Note that a person wants the tree evaluated once more; the first time still counts."""
        run_id = run.manifest.run_id
        if run.state.standing != AWAITING_DECISION:
            raise NotDecidable(
                f"{run_id} is {run.state.standing}; it can't be evaluated now",
                hint="a run is evaluated when its walk ended well, and again before it is decided",
            )
        if not run.manifest.suite:
            raise NotDecidable(
                f"{run_id} has no suite to be evaluated by", hint="start a run with --suite"
            )
        if _times(self.judged(facts_of(run))) >= MOST_EVALUATIONS:
            raise NotDecidable(
                f"the tree of {run_id} was evaluated {MOST_EVALUATIONS} times already",
                hint="more tries would only find the luck in it; decide, or start a new run",
            )
        run.emit(REQUESTED, {"by": by}, sync=True)
        run.change_status(EVALUATING, f"evaluated once more for {by}")

    def judged(self, run: RunFacts) -> Judged:
        """Return what the gate judges a run by, read afresh from the sealed records.

        The run's journal is verified from its first line, so that whoever judges has verified.
        """
        sealed = self.stores.suite(run.manifest.suite)
        entries = list(self.ledger.entries())
        own = [one for one in entries if one.run_id == run.run_id]
        pool = Pool(entries, self.results)
        self._require_manifest(run, own)
        _require_journal(run, own)
        seal = sealed.seal if sealed else ""
        return Judged(
            tree=run.tree,
            suite=sealed.suite if sealed else None,
            suite_seal=seal,
            evaluations=tuple(pool.of_run(run.run_id)),
            profile=self.stores.profile(run.manifest.profile),
            of_others=tuple(pool.of_others(run.run_id, run.tree, seal)),
        )

    def require_own(self, root: Path) -> None:
        """Refuse a run of another project, and a copy of a run, before anybody takes it up."""
        run_id = read_manifest(RunDirectory(root)).run_id
        for entry in self.ledger.entries(run_id):
            if entry.kind == CREATED:
                self.project.require_own(root, entry)

    def _require_manifest(self, run: RunFacts, own: Sequence[Entry]) -> None:
        """Refuse a manifest other than the one the run began with: it pins what judges the run."""
        made = [one for one in own if one.kind == CREATED]
        if not made and run.state.standing == QUEUED:
            return
        if not made:
            self.ledger.require_there()
            raise Broken(
                f"{self.ledger.file} does not know the run {run.run_id}",
                hint="name the state folder the run was begun with, or bring it back from a copy",
            )
        if made[0].data["manifest"] != run.manifest_hash():
            raise Broken(
                f"{run.directory.manifest} is not what the run began with",
                hint="bring it back from a copy, or start a new run",
            )

    async def _evaluate(self, ended: EndedWalk, sealed: SealedSuite) -> None:
        run = ended.run
        sitting = Sitting(run.manifest.run_id, _number(run), run.progress.tree)
        judged = self.judged(facts_of(run))
        if len(judged.evaluations) >= sitting.number:
            # The line was sealed, and the process died before the run's status was set.
            return
        log = TrialLog(run, sitting, self.results)
        protected = await protected_changes(ended.workspace, sitting.tree)
        begun = Begun(sitting, sealed.seal, _kept_promises(ended), protected)
        results = await self._play(ended, sealed, judged, log, begun)
        told = [self.results.told(sitting, one) for one in results]
        record = evaluated_to_record(begun, told, run.events.head.hash)
        self.ledger.append(EVALUATED, run.manifest.run_id, record, now=run.clock.now())

    async def _play(
        self, ended: EndedWalk, sealed: SealedSuite, judged: Judged, log: TrialLog, begun: Begun
    ) -> list[TrialResult]:
        """Play what is missing; nothing, when this tree had its tries in other runs."""
        suite, run = sealed.suite, ended.run
        earlier = log.earlier(suite)
        if _times(judged) >= MOST_EVALUATIONS and not earlier.has_begun:
            ended.world.tell(f"This tree was evaluated {MOST_EVALUATIONS} times; that counts.")
            return []
        if not Pool(list(self.ledger.entries()), self.results).has_begun(log.sitting):
            self.ledger.append(BEGUN, run.manifest.run_id, begun.to_record(), now=run.clock.now())
        return await evaluate(
            suite.of_split("holdout"),
            when_needed.TrialPlayer(ended, suite, self.trials).play,
            log,
            trials=suite.settings.trials.n,
            infra_retries=suite.settings.trials.infra_retries,
            earlier=earlier,
        )

    def _write(self, run: OpenRun, number: int, report: GateReport) -> None:
        folder = run.directory.root / "evaluation" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        write_document(folder / "report.json", run.redactor.members(report.to_record()))
        run.emit(GATE_EVALUATED, {"evaluation": number, **report.to_record()}, sync=True)


def _number(run: OpenRun) -> int:
    """Return which of its evaluations a run is at, counted from 1."""
    return 1 + sum(1 for _ in events_of(run.directory.events, (REQUESTED,)))


def _times(judged: Judged) -> int:
    """Return how often this tree was tried, by whichever run, where it counts for it."""
    tried = (*judged.evaluations, *judged.of_others)
    return sum(one.is_through and bool(one.results) and judged.trusts(one) for one in tried)


def _kept_promises(ended: EndedWalk) -> Promises:
    """Return what was guarded both while agents worked and while the candidate was tried."""
    if not ended.options.workspace.is_apart:
        return Promises()
    kept = [
        promises_to_record(ended.run.manifest.promises),
        promises_to_record(ended.place.promises),
    ]
    kept += [dict(one.data) for one in events_of(ended.run.directory.events, (GUARDED,))]
    return Promises(**{name: all(one.get(name) is True for one in kept) for name in NAMES})


def _require_journal(run: RunFacts, own: Sequence[Entry]) -> None:
    """Refuse a journal with a bad line, or one that lost what a sealed line rests on."""
    journal = run.directory.events
    sealed = {str(one.data["journal_head"]) for one in own if one.kind in (EVALUATED, DECIDED)}
    # What we know of the run came from this very journal.
    known = {run.head.hash} if run.head != GENESIS else set[str]()
    if verify_journal(journal, heads=sealed | known):
        raise ChainBroken(
            f"{journal} lacks lines that a sealed evaluation or decision rests on",
            hint="bring it back from a copy",
        )
