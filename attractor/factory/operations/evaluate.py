"""Asks the gate about a run, and requests another evaluation."""

from pathlib import Path

from attractor.engine.state.run_state import EVALUATING
from attractor.factory.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.decisions.lock import lock_run
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.gate_records import GateInput
from attractor.factory.open_project import OpenProject


def request_evaluation(root: Path, opened: OpenProject, *, by: str) -> None:
    """Request another evaluation of a run, unless it waits for one; no stage is executed again."""
    opened.refuse_in_run("another evaluation")
    with lock_run(root, opened) as run:
        if run.state.status != EVALUATING:
            Evaluator(opened).request_again(run, by)


def judge_again(root: Path, opened: OpenProject, *, by: str) -> None:
    """Request that the judge of the unjudged trials of a run is asked again."""
    opened.refuse_in_run("another evaluation")
    with lock_run(root, opened) as run:
        Evaluator(opened).judge_again(run, by)


def replay_cut(root: Path, opened: OpenProject, *, by: str, rationale: str) -> None:
    """Order that the cut trials of the last evaluation of a run are played again, each once."""
    opened.refuse_in_run("another evaluation")
    with lock_run(root, opened) as run:
        Evaluator(opened).replay_cut(run, by, rationale)


def ask_gate(root: Path, opened: OpenProject) -> tuple[CandidateRun, GateInput]:
    """Return the input of the gate for a run of this project, without locking the run."""
    opened.require_own(root)
    facts = read_candidate_run(root)
    return facts, Evaluator(opened).judged(facts)
