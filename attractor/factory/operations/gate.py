"""Collects the input of the gate for a run."""

from pathlib import Path

from attractor.factory.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.gate_records import GateInput
from attractor.factory.open_project import OpenProject


def ask_gate(root: Path, opened: OpenProject) -> tuple[CandidateRun, GateInput]:
    """Return the input of the gate for a run of this project, without locking the run."""
    opened.require_own(root)
    facts = read_candidate_run(root)
    return facts, Evaluator(opened).judged(facts)
