"""Prints the stages and the context of a run."""

import json

from attractor.base.amounts import format_number, format_seconds, number_of
from attractor.cli.output.streams import table
from attractor.engine.outcome import format_usage_cost
from attractor.engine.questions.question import describe_author
from attractor.engine.truncation import one_line
from attractor.language.source.text import visible
from attractor.records.context import RunContext
from attractor.records.timeline import StageAttempt, Timeline, Wait

_HEADING = ("stage", "branch", "started", "time", "state", "model", "cost", "tokens", "next")
LONGEST_VALUE = 200


def timeline_text(timeline: Timeline) -> str:
    """Return a table of the attempts of a run, followed by the waits for people."""
    if not timeline.attempts:
        return "No stage has started."
    rows = [_HEADING, *map(_row, timeline.attempts)]
    kept = [at for at in range(len(_HEADING)) if any(row[at] for row in rows[1:])]
    lines = table([[row[at] for at in kept] for row in rows])
    return "\n".join([*lines, *map(_waited, timeline.waits)])


def _row(one: StageAttempt) -> tuple[str, ...]:
    reason = one_line(one.error, LONGEST_VALUE)
    used = one.usage.tokens
    cells = (
        f"{one.node}@{one.visit}.{one.attempt}",
        one.branch,
        one.started.astimezone().strftime("%H:%M:%S"),
        format_seconds(one.seconds) if one.outcome else "",
        f"{one.outcome or one.state}{f': {reason}' if reason else ''}",
        one.model,
        format_usage_cost(one.usage) if used else "",
        format_number(used) if used else "",
        ", ".join(f"{edge.target} ({edge.reason})" for edge in one.edges if edge.target),
    )
    return tuple(map(visible, cells))


def _waited(one: Wait) -> str:
    if one.until is None:
        return visible(f"{one.question} waits for an answer")
    by = f" of {describe_author(one.by, one.proof)}" if one.by else ""
    seconds = (one.until - one.since).total_seconds()
    return visible(f"{one.question} waited {format_seconds(seconds)} for the answer{by}")


def context_text(context: RunContext) -> str:
    """Return the values of the context, one line each, of the run and of each branch."""
    lines: list[str] = []
    for walk in context.walks:
        done = number_of(len(walk.completed), "completed stage")
        where = f"branch {walk.branch}" if walk.branch else f"run {context.run_id}"
        lines.append(f"{where}: {done}, next {walk.next_node or 'none'}")
        values = walk.context.items()
        lines += [f"  {key} = {_value(value)}" for key, value in sorted(values)]
    return "\n".join(map(visible, lines)) or "The run has not started."


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(text, LONGEST_VALUE)
