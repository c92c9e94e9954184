"""Records a person's decision on a run, if the gate allows it."""

from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NoGo
from attractor.base.json import Json
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION, REJECTED
from attractor.factory.errors import (
    AlreadyDecided,
    NotDecidable,
    RationaleTooShort,
)
from attractor.factory.evaluate import GATE_EVALUATED, Evaluator
from attractor.factory.gate import GateReport, gate
from attractor.factory.ledger import LedgerEntry
from attractor.factory.records import DECIDED, copy_to_run, find_decision
from attractor.factory.run_facts import before_a_decision, facts_of
from attractor.pipeline.runs.lookup import reference_to
from attractor.pipeline.source.read import find_accepted

SHORTEST_RATIONALE = 10


class DecisionKind(StrEnum):
    """The kinds of decisions."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Decision:
    """A decision, with the author, the proof of the author's identity, and the rationale."""

    verdict: DecisionKind
    by: str
    proof: str
    rationale: str


def require_decidable(
    run: OpenRun, evaluator: Evaluator, verdict: DecisionKind, rationale: str
) -> GateReport:
    """Evaluate the gate again; refuse a decision that could not be recorded."""
    evaluator.ledger.require_intact()
    # This also verifies the records that are used below.
    judged = evaluator.judged(facts_of(run))
    if len(rationale.strip()) < SHORTEST_RATIONALE:
        raise RationaleTooShort()
    _settle(run, evaluator)
    if run.state.status != AWAITING_DECISION:
        name = reference_to(run.directory.root)
        raise NotDecidable(
            f"{run.manifest.run_id} is {run.state.status}, not waiting for a decision",
            hint=before_a_decision(run.state.status, name),
        )
    report = gate(judged)
    if verdict is DecisionKind.APPROVED and not report.go:
        _refuse(run, report)
    return report


def decide(run: OpenRun, evaluator: Evaluator, decision: Decision) -> LedgerEntry:
    """Record a decision; an approval requires that the gate says go, evaluated again."""
    report = require_decidable(run, evaluator, decision.verdict, decision.rationale)
    record = run.redactor.members(_record(run, decision, report))
    run_id = run.manifest.run_id
    entry = evaluator.ledger.append(DECIDED, run_id, record, now=run.clock.now(), once=True)
    if entry is None:
        raise AlreadyDecided(f"{run_id} was decided by another process meanwhile")
    copy_to_run(run.directory.root, entry)
    _set_status(run, entry)
    return entry


def _settle(run: OpenRun, evaluator: Evaluator) -> None:
    """Refuse a second decision; complete a first decision whose process died while recording it."""
    entry = find_decision(evaluator.ledger, facts_of(run))
    if entry is None:
        return
    if run.state.status == AWAITING_DECISION:
        _set_status(run, entry)
    raise AlreadyDecided(f"{run.manifest.run_id} is already {entry.data['verdict']}")


def _refuse(run: OpenRun, report: GateReport) -> None:
    run.emit(GATE_EVALUATED, {"refused": "approval", **report.to_record()}, sync=True)
    words = "; ".join(f"{one.rule}: {one.words}" for one in report.reasons)
    raise NoGo(f"the gate says no-go: {words}", hint="reject it, or fix the problems in a new run")


def _record(run: OpenRun, decision: Decision, report: GateReport) -> dict[str, Json]:
    manifest, accepted = run.manifest, find_accepted(run.directory)
    return {
        "verdict": decision.verdict.value,
        "by": decision.by,
        "proof": decision.proof,
        "rationale": decision.rationale.strip(),
        "tree": run.progress.tree,
        "base_commit": manifest.base.commit,
        "pipeline_hash": accepted.new if accepted else manifest.content_hash,
        "suite": manifest.suite,
        "profile": manifest.profile,
        "gate": report.to_record(),
        "journal_head": run.events.head.hash,
    }


def _set_status(run: OpenRun, entry: LedgerEntry) -> None:
    verdict = str(entry.data["verdict"])
    run.emit("DecisionRecorded", {"verdict": verdict, "ledger_seq": entry.head.seq}, sync=True)
    status = APPROVED if verdict == DecisionKind.APPROVED else REJECTED
    run.change_status(status, str(entry.data["rationale"]))
