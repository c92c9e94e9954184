"""Shows where a run stands when its runner lets go of it, and what to do next."""

from attractor.base.errors import ExitCode
from attractor.cli.output import show, show_json
from attractor.engine.results import RunResult
from attractor.engine.status import AWAITING_ANSWER, AWAITING_DECISION


def show_result(result: RunResult, *, as_json: bool) -> ExitCode:
    """Print a run's result and return the exit code that belongs to it."""
    if as_json:
        show_json(as_record(result))
    else:
        show(as_text(result))
    return result.exit_code


def as_record(result: RunResult) -> dict[str, object]:
    """Return a run's result for a program."""
    return {
        "run_id": result.run_id,
        "directory": str(result.directory),
        "status": result.standing.status.value,
        "phase": result.standing.phase.value,
        "outcome": result.outcome.value if result.outcome else "",
        "reason": result.reason,
        "completed": list(result.completed),
        "tree": result.tree,
        "exit_code": int(result.exit_code),
    }


def as_text(result: RunResult) -> str:
    """Return a run's result for a person."""
    ended = result.outcome.value if result.outcome else "not ended"
    reason = f": {result.reason}" if result.reason else ""
    lines = [f"run {result.run_id}: {ended}{reason}", f"  it is {result.standing}"]
    return "\n".join([*lines, *(f"  {line}" for line in _next(result))])


def _next(result: RunResult) -> list[str]:
    run_id = result.run_id
    if result.standing == AWAITING_ANSWER and result.question:
        options = ", ".join(f"{one.key} ({one.label})" for one in result.question.options)
        return [
            f"it asks: {result.question.text} [{options}]",
            f"answer:  attractor resume {run_id}   (at a terminal, where it is asked)",
        ]
    if result.standing == AWAITING_DECISION:
        branch = f"attractor/run/{run_id}"
        return [
            f"look:    git diff HEAD...{branch}",
            f"judge:   attractor gate {run_id}",
            f"decide:  attractor decide {run_id} --approve --rationale '...'",
        ]
    return [f"look:    attractor logs {run_id}"]
