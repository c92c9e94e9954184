"""Requests another evaluation of a run."""

from pathlib import Path

from attractor.engine.state.run_state import EVALUATING
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.operations.lock import lock_run
from attractor.pipeline.project.project import Project


def request_evaluation(root: Path, project: Project, *, by: str) -> None:
    """Request another evaluation of a run, unless it waits for one; no stage is executed again."""
    with lock_run(root, project) as run:
        if run.state.status != EVALUATING:
            evaluator_of(project).request_again(run, by)


def judge_again(root: Path, project: Project, *, by: str) -> None:
    """Request that the judge of the unjudged trials of a run is asked again."""
    with lock_run(root, project) as run:
        evaluator_of(project).judge_again(run, by)


def replay_cut(root: Path, project: Project, *, by: str, rationale: str) -> None:
    """Order that the cut trials of the last evaluation of a run are played again, each once."""
    with lock_run(root, project) as run:
        evaluator_of(project).replay_cut(run, by, rationale)
