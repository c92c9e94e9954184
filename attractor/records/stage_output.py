"""The printed output of stages: whole, and the lines below the reason of a failure."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.engine.routing.edge_selection import RouteReason
from attractor.engine.stage.command_output import OUTPUT, STDERR, STDOUT, find_failure, lines_below
from attractor.engine.stage.folder import LARGEST_FILE, TAIL
from attractor.language.source.text import visible
from attractor.records.timeline import CompletedVisit, StageAttempt, Timeline

MOST_STAGES = 3
"""The maximum number of failed stages whose output is shown."""


@dataclass(frozen=True)
class FailedOutput:
    """A failed stage, and the lines of its output below the reason."""

    stage: str
    lines: tuple[str, ...]


def read_output(attempt: StageAttempt, stream: str = "") -> str | None:
    """Return the output of an attempt in order of arrival; None if no command ran.

    `stream`: that of `stdout` or `stderr` alone. Older records have no order of arrival: standard
    output comes first. A running or canceled command has its last lines only.
    """
    names = {file.name for file in attempt.files()}
    choices = ((f"{stream}.txt",),) if stream else ((OUTPUT,), (STDOUT, STDERR), (TAIL,))
    for files in choices:
        if found := [_text(attempt, name) for name in files if name in names]:
            return "".join(f"{text}\n" if text[-1:] not in ("\n", "") else text for text in found)
    return None


def failed_output(timeline: Timeline) -> Sequence[FailedOutput]:
    """Return the output of the commands at which a failed walk failed, sorted by name."""
    failed = {(at.node, at.visit.number, at.visit.attempts) for at in failed_stages(timeline)}
    found = [one for one in timeline.attempts if (one.node, one.visit, one.attempt) in failed]
    shown = [FailedOutput(attempt.id, _lines(attempt)) for attempt in found]
    return sorted((one for one in shown if one.lines), key=lambda one: one.stage)


def describe_failed_output(outputs: Sequence[FailedOutput]) -> Iterator[str]:
    """Yield the output of failed stages for people."""
    for output in outputs[:MOST_STAGES]:
        yield f"{output.stage}:"
        yield from (f"| {line}" for line in output.lines)
    if len(outputs) > MOST_STAGES:
        yield f"and {number_of(len(outputs) - MOST_STAGES, 'more stage')}"


def failed_stages(timeline: Timeline) -> Sequence[CompletedVisit]:
    """Return the last failed stage of a failed walk; instead of a fork, those of its branches."""
    main = timeline.main
    if main and main[-1].edges and main[-1].edges[-1].reason == RouteReason.NO_ROUTE:
        return ()
    last = next((made for made in reversed(timeline.visits) if made.has_failed), None)
    return _deepest(timeline, last) if last else ()


def failed_in_branches(timeline: Timeline, fork: CompletedVisit) -> Mapping[str, CompletedVisit]:
    """Return the last failed stage of each failed branch of a fork, by the key of the branch."""
    keys = {
        branch.key
        for branch in timeline.branches
        if (branch.node, branch.visit) == (fork.node, fork.visit.number) and branch.has_failed
    }
    return {
        made.branch: made for made in timeline.visits if made.branch in keys and made.has_failed
    }


def _deepest(timeline: Timeline, made: CompletedVisit) -> Sequence[CompletedVisit]:
    inner = failed_in_branches(timeline, made).values()
    return [deep for one in inner for deep in _deepest(timeline, one)] or [made]


def _lines(attempt: StageAttempt) -> tuple[str, ...]:
    output = read_output(attempt) or ""
    found = find_failure(_text(attempt, STDOUT), _text(attempt, STDERR)) if output else None
    # The reason of a command that reached its time limit has no line of its output.
    line = found.line if found and found.words in attempt.error else ""
    return tuple(visible(line.expandtabs(4)) for line in lines_below(output, line))


def _text(attempt: StageAttempt, name: str) -> str:
    try:
        return attempt.read_file(name, most=LARGEST_FILE).decode("utf-8", "replace")
    except UnknownName:
        return ""
