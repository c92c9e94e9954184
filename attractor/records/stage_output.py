"""The printed output of stages: the lines below the reason of a failure."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.routing.edge_selection import RouteReason
from attractor.engine.stage.command_output import find_failure, lines_below
from attractor.engine.stage.folder import LARGEST_FILE
from attractor.language.source.text import visible
from attractor.records.timeline import CompletedVisit, StageAttempt, Timeline

STDOUT, STDERR = "stdout.txt", "stderr.txt"

MOST_STAGES = 3
"""The maximum number of failed stages whose output is shown."""


@dataclass(frozen=True)
class FailedOutput:
    """A failed stage, and the lines of its output below the reason."""

    stage: str
    lines: tuple[str, ...]


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
        yield f"and {len(outputs) - MOST_STAGES} more"


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
    names = {file.name for file in attempt.files()}
    stdout, stderr = (
        attempt.read_file(name, most=LARGEST_FILE).decode("utf-8", "replace")
        if name in names
        else ""
        for name in (STDOUT, STDERR)
    )
    found = find_failure(stdout, stderr)
    # The reason of a command that reached its time limit has no line of its output.
    line = found.line if found and found.words in attempt.error else ""
    below = lines_below(f"{stdout}\n{stderr}", line)
    return tuple(visible(line.expandtabs(4)) for line in below)
