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

from attractor.base.canonical import JsonObject, canonical_json, content_hash, parse_json
from attractor.base.errors import Broken, ChainBroken
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.engine.documents import write_document
from attractor.engine.open_run import OpenRun
from attractor.engine.status import AWAITING_DECISION, EVALUATING, QUEUED
from attractor.environments.choose import Choice
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluated import (
    EVALUATED,
    evaluated_to_record,
    evaluations,
    promises_to_record,
)
from attractor.factory.gate import Evaluated, GateReport, Judged, gate
from attractor.factory.ledger import Ledger
from attractor.factory.pinned import Stores
from attractor.pipeline.options import WorkspaceKind
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
CREATED = "created"
GUARDED = "StagesGuarded"
MOST_EVALUATIONS = 2


@dataclass(frozen=True)
class Evaluator:
    """Evaluates runs that ended well; built once for a state folder."""

    stores: Stores
    ledger: Ledger
    trials: Path

    def begin(self, run: OpenRun, place: Choice) -> None:
        """Seal what a new run was made from, and note what guards its stages from here on."""
        if run.state.standing == QUEUED:
            made: JsonObject = {"manifest": _manifest_hash(run)}
            self.ledger.append(CREATED, run.manifest.run_id, made, now=run.clock.now(), once=True)
        self._require_manifest(run)
        run.emit(GUARDED, {"kind": place.kind, **promises_to_record(place.promises)}, sync=True)

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
        if not run.manifest.suite:
            raise NotDecidable(
                f"{run.manifest.run_id} has no suite to be evaluated by",
                hint="start a run with --suite",
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
        self._require_manifest(run)
        self._require_heads(run)
        return Judged(
            tree=run.progress.tree,
            suite=sealed.suite if sealed else None,
            suite_seal=sealed.seal if sealed else "",
            evaluations=tuple(evaluations(self.ledger.entries(manifest.run_id))),
            profile=self.stores.profile(manifest.profile),
        )

    def _require_manifest(self, run: OpenRun) -> None:
        """Refuse a manifest other than the one the run began with: it pins what judges the run."""
        made = [one for one in self.ledger.entries(run.manifest.run_id) if one.kind == CREATED]
        if not made or made[0].data["manifest"] != _manifest_hash(run):
            raise Broken(
                f"{run.directory.manifest} is not what the run began with",
                hint="bring it back from a copy, or start a new run",
            )

    def _require_heads(self, run: OpenRun) -> None:
        """Refuse a journal that lost what a sealed evaluation rests on."""
        sealed = [
            str(entry.data["journal_head"])
            for entry in self.ledger.entries(run.manifest.run_id)
            if entry.kind == EVALUATED
        ]
        if sealed and not set(sealed) <= _hashes(run):
            raise ChainBroken(
                f"{run.directory.events} lacks lines that a sealed evaluation rests on",
                hint="bring it back from a copy",
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
            _JournalLog(run, number, self.ledger),
            trials=settings.n,
            infra_retries=settings.infra_retries,
            earlier=_earlier(run, number, self.ledger),
        )
        evaluated = Evaluated(run.progress.tree, sealed.seal, _kept_promises(ended), tuple(results))
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
    ledger: Ledger

    def started(self, key: TrialKey) -> None:
        self._write(STARTED, {"scenario": key.scenario, "trial": key.number})

    def troubled(self, key: TrialKey, trouble: str) -> None:
        told = {"scenario": key.scenario, "trial": key.number, "trouble": trouble}
        self._write(TROUBLED, told)

    def completed(self, result: TrialResult) -> None:
        record = result.to_record()
        seal = self.ledger.seal_of(_sealed_words(self.run, self.number, record))
        self._write(COMPLETED, {**record, "seal": seal})

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


def _kept_promises(ended: Ended) -> Promises:
    """Return what was guarded both while agents worked and while the candidate was tried."""
    if ended.options.workspace is not WorkspaceKind.ISOLATED:
        return Promises()
    kept = [
        promises_to_record(ended.run.manifest.promises),
        promises_to_record(ended.place.promises),
    ]
    kept += [dict(event.data) for event in _events(ended.run, (GUARDED,))]
    return Promises(**{name: all(one.get(name) is True for one in kept) for name in kept[0]})


def _manifest_hash(run: OpenRun) -> str:
    return content_hash(run.directory.manifest.read_bytes())


def _sealed_words(run: OpenRun, number: int, record: JsonObject) -> str:
    """Return what the seal of a trial is made over: whose it is, and all that it says."""
    place: JsonObject = {
        "run": run.manifest.run_id,
        "evaluation": number,
        "tree": run.progress.tree,
    }
    return canonical_json({**place, "trial": dict(record)})


def _earlier(run: OpenRun, number: int, ledger: Ledger) -> Earlier:
    """Read what an evaluation that died had written of its trials, each with our seal."""
    results: dict[TrialKey, TrialResult] = {}
    begun: Counter[TrialKey] = Counter()
    for event in _events(run, (STARTED, COMPLETED)):
        if event.data.get("evaluation") != number:
            continue
        if event.type == COMPLETED:
            result = TrialResult.from_record(event.data)
            words = _sealed_words(run, number, result.to_record())
            if event.data.get("seal") != ledger.seal_of(words):
                raise Broken(
                    f"a trial in {run.directory.events} was not written by this evaluation",
                    hint="nothing it says can be trusted: start a new run",
                )
            results[result.key] = result
        else:
            begun[_key(event)] += 1
    return Earlier(results, begun)


def _hashes(run: OpenRun) -> set[str]:
    records = (parse_json(line.content) for line in read_lines(run.directory.events))
    return {str(record["hash"]) for record in records if isinstance(record, dict)}


def _events(run: OpenRun, kinds: Collection[str]) -> Iterator[Event]:
    for line in read_lines(run.directory.events):
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") in kinds:
            yield Event.from_record(record)


def _key(event: Event) -> TrialKey:
    return TrialKey(str(event.data["scenario"]), int(str(event.data["trial"])))
