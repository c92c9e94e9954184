"""Evaluates a run: plays its suite on copies of its tree, seals the result, and asks the gate.

Every trial is written to the run's journal with its whole result before the next begins, so that an
evaluation that died goes on with the missing ones.
"""

import secrets
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from attractor.base.canonical import JsonObject, parse_json
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.engine.documents import write_document
from attractor.engine.open_run import OpenRun
from attractor.engine.status import AWAITING_DECISION, EVALUATING
from attractor.environments.environment import ExecutionEnvironment
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluated import evaluated_to_record, evaluations
from attractor.factory.gate import Evaluated, GateReport, Judged, gate
from attractor.factory.ledger import Ledger
from attractor.factory.pinned import Stores
from attractor.pipeline.running import Ended
from attractor.scenarios.evaluation import Earlier, evaluate
from attractor.scenarios.judging import build_checks, check_registry, judge_all
from attractor.scenarios.playing import play
from attractor.scenarios.sealing import SealedSuite
from attractor.scenarios.suite import Scenario
from attractor.scenarios.trial import TrialKey, TrialResult

STARTED, TROUBLED, COMPLETED = "TrialStarted", "TrialTroubled", "TrialCompleted"
GATE_EVALUATED = "GateEvaluated"
REQUESTED = "EvaluationRequested"
MOST_EVALUATIONS = 2


@dataclass(frozen=True)
class Evaluator:
    """Evaluates runs that ended well; built once for a state folder."""

    stores: Stores
    ledger: Ledger
    trials: Path

    async def finish(self, ended: Ended) -> None:
        """Evaluate a run, ask the gate and leave the run to a person's decision."""
        run, manifest = ended.run, ended.run.manifest
        sealed = self.stores.suite(manifest.suite)
        if sealed is not None:
            await self._evaluate(ended, sealed)
        report = gate(self.judged(run))
        number = 1 + sum(1 for _ in _events(run, (REQUESTED,)))
        self._write(run, number, report)
        run.change_status(AWAITING_DECISION, f"gate: {'go' if report.go else 'no-go'}")

    def request_again(self, run: OpenRun, by: str) -> None:
        """Note that a person wants the tree evaluated once more; the first time still counts."""
        if run.state.standing != AWAITING_DECISION:
            raise NotDecidable(
                f"{run.manifest.run_id} is {run.state.standing}; it can't be evaluated now",
                hint="a run is evaluated when its walk ended well, and again before it is decided",
            )
        if 1 + sum(1 for _ in _events(run, (REQUESTED,))) >= MOST_EVALUATIONS:
            raise NotDecidable(
                f"{run.manifest.run_id} was evaluated {MOST_EVALUATIONS} times already",
                hint="more tries would only find the luck in it; decide, or start a new run",
            )
        run.emit(REQUESTED, {"by": by}, sync=True)
        run.change_status(EVALUATING, f"evaluated once more for {by}")

    def judged(self, run: OpenRun) -> Judged:
        """Return what the gate judges a run by, read afresh from the sealed records."""
        manifest = run.manifest
        sealed = self.stores.suite(manifest.suite)
        return Judged(
            tree=run.progress.tree,
            suite=sealed.suite if sealed else None,
            suite_seal=sealed.seal if sealed else "",
            evaluations=tuple(evaluations(self.ledger.entries(manifest.run_id))),
            profile=self.stores.profile(manifest.profile),
        )

    async def _evaluate(self, ended: Ended, sealed: SealedSuite) -> None:
        run, settings = ended.run, sealed.suite.settings.trials
        number = 1 + sum(1 for _ in _events(run, (REQUESTED,)))
        if len(evaluations(self.ledger.entries(run.manifest.run_id))) >= number:
            # The line was sealed, and the process died before the run's status was set.
            return
        results = await evaluate(
            sealed.suite.of_split("holdout"),
            _Player(ended, sealed, self.trials).play,
            _JournalLog(run, number),
            trials=settings.n,
            infra_retries=settings.infra_retries,
            earlier=_earlier(run, number),
        )
        evaluated = Evaluated(run.progress.tree, sealed.seal, ended.place.promises, tuple(results))
        record = evaluated_to_record(number, evaluated, run.events.head.hash)
        self.ledger.append("evaluated", run.manifest.run_id, record, now=run.clock.now())

    def _write(self, run: OpenRun, number: int, report: GateReport) -> None:
        folder = run.directory.root / "evaluation" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        write_document(folder / "report.json", report.to_record())
        run.emit(GATE_EVALUATED, {"evaluation": number, **report.to_record()}, sync=True)


@dataclass(frozen=True)
class _JournalLog:
    """Writes what happens to trials into the run's journal."""

    run: OpenRun
    number: int

    def started(self, key: TrialKey) -> None:
        self._write(STARTED, {"scenario": key.scenario, "trial": key.number})

    def troubled(self, key: TrialKey, trouble: str) -> None:
        told = {"scenario": key.scenario, "trial": key.number, "trouble": trouble}
        self._write(TROUBLED, told)

    def completed(self, result: TrialResult) -> None:
        self._write(COMPLETED, result.to_record())

    def _write(self, kind: str, data: JsonObject) -> None:
        self.run.emit(kind, {"evaluation": self.number, **data}, sync=True)


@dataclass(frozen=True)
class _Player:
    """Plays trials, each in a sandbox of its own on a copy of the run's tree."""

    ended: Ended
    sealed: SealedSuite
    trials: Path

    async def play(self, scenario: Scenario, key: TrialKey) -> TrialResult:
        # Neither the name nor anything else tells which scenario it is, or of which split.
        folder = self.trials / secrets.token_hex(8)
        try:
            await self.ended.workspace.export(self.ended.run.progress.tree, folder)
            return await self._play_in(self.ended.place.make(folder), scenario, key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _play_in(
        self, environment: ExecutionEnvironment, scenario: Scenario, key: TrialKey
    ) -> TrialResult:
        clock = self.ended.world.clock
        began = clock.monotonic()
        await environment.initialize()
        try:
            timeout = self.sealed.suite.settings.trials.timeout
            observed = await play(scenario, environment, timeout=timeout)
            checks = await judge_all(build_checks(scenario, check_registry()), observed)
        finally:
            await environment.cleanup()
        satisfied = all(check.passed for check in checks)
        duration = round((clock.monotonic() - began) * 1000)
        return TrialResult(key, satisfied, checks, duration)


def _earlier(run: OpenRun, number: int) -> Earlier:
    """Read what an evaluation that died had written of its trials."""
    results: dict[TrialKey, TrialResult] = {}
    begun: Counter[TrialKey] = Counter()
    for event in _events(run, (STARTED, COMPLETED)):
        if event.data.get("evaluation") != number:
            continue
        if event.type == COMPLETED:
            result = TrialResult.from_record(event.data)
            results[result.key] = result
        else:
            begun[_key(event)] += 1
    return Earlier(results, begun)


def _events(run: OpenRun, kinds: Collection[str]) -> Iterator[Event]:
    for line in read_lines(run.directory.events):
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") in kinds:
            yield Event.from_record(record)


def _key(event: Event) -> TrialKey:
    return TrialKey(str(event.data["scenario"]), int(str(event.data["trial"])))
