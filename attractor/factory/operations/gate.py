"""Collects the input of the gate for a run."""

from pathlib import Path

from attractor.factory.evaluation.candidate_run import CandidateRun, read_candidate_run
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.evaluation.gate_records import GateInput
from attractor.factory.register import register_of
from attractor.pipeline.project.project import Project


def ask_gate(root: Path, project: Project) -> tuple[CandidateRun, GateInput]:
    """Return the input of the gate for a run of this project, without locking the run."""
    register_of(project).require_own(root)
    facts = read_candidate_run(root)
    return facts, evaluator_of(project).judged(facts)
