"""Records a person's decision about a run: all or nothing, and only when the gate allows it."""

from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NoGo
from attractor.base.json import Json
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import APPROVED, AWAITING_DECISION, REJECTED
from attractor.factory.errors import AlreadyDecided, NotDecidable, RationaleTooShort
from attractor.factory.evaluate import GATE_EVALUATED, Evaluator
from attractor.factory.gate import GateReport, gate
from attractor.factory.ledger import Entry
from attractor.factory.run_index import DECIDED, decision_of, facts_of, keep_in_run
from attractor.pipeline.runs.lookup import reference_to
from attractor.pipeline.source.saved import find_accepted

SHORTEST_RATIONALE = 10


class DecisionKind(StrEnum):
    """What a person decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Decision:
    """Who decided what, how they proved who they are, and why."""

    verdict: DecisionKind
    by: str
    proof: str
    rationale: str


def decide(run: OpenRun, evaluator: Evaluator, decision: Decision) -> Entry:
    """Judge the run afresh and record the decision; an approval needs the gate's go."""
    # First of all it verifies what everything below believes.
    judged = evaluator.judged(facts_of(run))
    if len(decision.rationale.strip()) < SHORTEST_RATIONALE:
        raise RationaleTooShort()
    _settle(run, evaluator)
    if run.state.status != AWAITING_DECISION:
        name = reference_to(run.directory.root)
        raise NotDecidable(
            f"{run.manifest.run_id} is {run.state.status}, not waiting for a decision",
            hint=f"a run is decided on after its evaluation: attractor evaluate {name}",
        )
    report = gate(judged)
    if decision.verdict is DecisionKind.APPROVED and not report.go:
        _refuse(run, report)
    record = run.redactor.members(_record(run, decision, report))
    run_id = run.manifest.run_id
    entry = evaluator.ledger.append(DECIDED, run_id, record, now=run.clock.now(), once=True)
    if entry is None:
        raise AlreadyDecided(f"{run_id} was decided on a moment ago")
    keep_in_run(run.directory.root, entry)
    _set_status(run, entry)
    return entry


def _settle(run: OpenRun, evaluator: Evaluator) -> None:
    """Refuse a second decision; the first one counts also when its process died right after it."""
    entry = decision_of(evaluator.ledger, facts_of(run))
    if entry is None:
        return
    if run.state.status == AWAITING_DECISION:
        _set_status(run, entry)
    raise AlreadyDecided(f"{run.manifest.run_id} is {entry.data['verdict']} already")


def _refuse(run: OpenRun, report: GateReport) -> None:
    run.emit(GATE_EVALUATED, {"refused": "approval", **report.to_record()}, sync=True)
    words = "; ".join(f"{one.rule}: {one.words}" for one in report.reasons)
    raise NoGo(f"the gate says no-go: {words}", hint="reject it, or mend the run and try again")


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


def _set_status(run: OpenRun, entry: Entry) -> None:
    verdict = str(entry.data["verdict"])
    run.emit("DecisionRecorded", {"verdict": verdict, "ledger_seq": entry.head.seq}, sync=True)
    status = APPROVED if verdict == DecisionKind.APPROVED else REJECTED
    run.change_status(status, str(entry.data["rationale"]))
