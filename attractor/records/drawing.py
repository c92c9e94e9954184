"""Computes the states with which the graph of a run is drawn."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.events import Event
from attractor.base.files import read_file
from attractor.engine.journal.reader import selected_events
from attractor.engine.routing.edge_selection import CandidateVerdict, RouteReason
from attractor.engine.run_folder.layout import RunDirectory, read_files, read_manifest
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.run_overlay import (
    NodeState,
    RunStates,
    StageState,
    TakenEdge,
    overlay,
)
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import (
    KnownFiles,
    TransformContext,
    transform_all,
    with_goal,
)
from attractor.language.reading import decode, parse
from attractor.records.timeline import SelectedEdge, StageAttempt, Timeline, fold_timeline

_JUMPS = frozenset(
    {RouteReason.RETRY_TARGET, RouteReason.FALLBACK_RETRY_TARGET, RouteReason.GOAL_GATE}
)


@dataclass(frozen=True)
class DrawableRun:
    """The graph of a run, and the states of its stages."""

    graph: Graph
    states: RunStates

    @property
    def picture(self) -> Picture:
        """Return the picture to draw."""
        return overlay(self.graph, self.states)


def read_drawn(directory: RunDirectory) -> DrawableRun:
    """Read the graph and the journal of a run, to draw it."""
    states = read_states(directory)
    return DrawableRun(read_graph(directory), states)


def read_states(directory: RunDirectory) -> RunStates:
    """Read the states of a run's stages from its journal."""
    return states_of(read_events(directory.events), name=f"run {read_manifest(directory).run_id}")


def read_graph(directory: RunDirectory) -> Graph:
    """Read the graph of a run, as it is walked."""
    manifest = read_manifest(directory)
    file = directory.graph
    content = read_file(file)
    graph = parse(decode(content, file=str(file)), file=str(file))
    if manifest.goal != graph.goal:
        graph = with_goal(graph, manifest.goal)
    return transform_all(graph, context=TransformContext(files=KnownFiles(read_files(directory))))


_DRAWN = (
    *("PipelineStarted", "StageStarted", "StageCompleted", "StageFailed", "StageParked"),
    *("ParallelBranchCompleted", "EdgeSelected", "CheckpointSaved", "RunInterrupted"),
    *("PipelineFailed", "RunStatusChanged"),
)


def read_events(journal: Path) -> Iterator[Event]:
    """Yield the events that change a drawing, and the first and the last event of a journal."""
    return selected_events(journal, _DRAWN)


def states_of(events: Iterable[Event], *, name: str = "") -> RunStates:
    """Return the states of a run's stages after all events.

    `name` begins the caption.
    """
    return draw_states(fold_timeline(events, is_live=True), name)


def draw_states(timeline: Timeline, name: str = "") -> RunStates:
    """Return the states of a run's stages; `name` begins the caption."""
    by_node: dict[str, list[StageAttempt]] = {}
    for attempt in timeline.attempts:
        by_node.setdefault(attempt.node, []).append(attempt)
    nodes = {node: _node_state(attempts) for node, attempts in by_node.items()}
    for visit in timeline.main:
        if visit.move.end:
            # An exit has no stage event: it is done when the walk has ended there.
            nodes.setdefault(visit.move.end.node, NodeState(StageState.DONE))
    # The time of a parallel stage includes its branches.
    seconds = sum(attempt.worked for attempt in timeline.attempts if not attempt.branch)
    spent = describe_duration(_whole(seconds)) if seconds else ""
    status = (timeline.status.status.replace("_", " "), timeline.status.reason)
    caption = " · ".join(filter(None, [name, ": ".join(filter(None, status)), spent]))
    taken = Counter(way for edge in timeline.edges for way in _taken(edge))
    return RunStates(nodes, dict(taken), timeline.next_node, caption)


def _node_state(attempts: Sequence[StageAttempt]) -> NodeState:
    """Return the state of a node from its attempts: that of the last one that changed."""
    began = max(attempts, key=lambda attempt: attempt.periods[-1].start)
    changed = sorted(
        attempts, key=lambda attempt: attempt.periods[-1].end or attempt.periods[-1].start
    )
    state = changed[-1].state
    if changed[-1].will_retry and state is StageState.FAILED:
        state = StageState.INTERRUPTED if changed[-1].is_given_up else StageState.RUNNING
    ended = [attempt for attempt in changed if attempt.ends]
    worked = [attempt for attempt in changed if attempt.ends or attempt.cut]
    spent = sum((_whole(attempt.worked) for attempt in worked), timedelta())
    is_failed = ended and ended[-1].state not in (StageState.DONE, StageState.SKIPPED)
    reason = ended[-1].error if is_failed else ""
    return NodeState(state, began.visit or 1, spent if worked else None, reason)


def _taken(edge: SelectedEdge) -> Iterator[TakenEdge]:
    """Yield the edges that the walk or its branches took after a visit."""
    for candidate in edge.candidates:
        if candidate.fate == CandidateVerdict.A_BRANCH:
            yield TakenEdge(edge.source, candidate.target, candidate.label, candidate.condition)
    if not edge.target or edge.reason == RouteReason.JOIN:
        return
    if edge.reason in _JUMPS:
        # An unsatisfied goal gate sends the walk back; its last stage is not the reason.
        source = "" if edge.reason == RouteReason.GOAL_GATE else edge.source
        yield TakenEdge(source, edge.target, is_jump=True)
    else:
        yield TakenEdge(edge.source, edge.target, edge.label, edge.condition)


def _whole(seconds: float) -> timedelta:
    return timedelta(milliseconds=round(seconds * 1000))
