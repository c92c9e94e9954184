"""Marks the states of a run in the picture of its pipeline."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.language.drawing.picture import (
    Annotation,
    Picture,
    edge_elements,
    in_one_line,
    jumps,
    listed,
    node_element,
)
from attractor.language.drawing.theme import (
    DONE,
    FAILED,
    INTERRUPTED,
    RUNNING,
    SKIPPED,
    TAKEN,
    TAKEN_JUMP,
    UNREACHED,
    UNTAKEN,
    WAITING,
    ElementStyle,
)
from attractor.language.graph.graph import Graph, Node


class StageState(StrEnum):
    """The state of a node in a run; the value is the text in a drawing."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "in flight"
    WAITING = "waits for a person"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"
    UNREACHED = "never reached"


_STYLES: Mapping[StageState, ElementStyle] = {
    StageState.DONE: DONE,
    StageState.FAILED: FAILED,
    StageState.RUNNING: RUNNING,
    StageState.WAITING: WAITING,
    StageState.INTERRUPTED: INTERRUPTED,
    StageState.SKIPPED: SKIPPED,
    StageState.UNREACHED: UNREACHED,
}


@dataclass(frozen=True)
class NodeState:
    """The state of a node over all visits, with the reason of the last failure."""

    state: StageState
    visits: int = 0
    duration: timedelta | None = None
    reason: str = ""


_LONGEST_REASON = 100
_SHORTEST_SHOWN = timedelta(milliseconds=10)
_UNFINISHED = frozenset({StageState.RUNNING, StageState.WAITING, StageState.INTERRUPTED})
_NEVER_REACHED = NodeState(StageState.UNREACHED)


@dataclass(frozen=True)
class TakenEdge:
    """An edge that the run took, or a jump to a retry target."""

    source: str
    target: str
    label: str = ""
    condition: str = ""
    is_jump: bool = False


@dataclass(frozen=True)
class RunStates:
    """The progress of a run: node states, how often each edge was taken, and the current node."""

    nodes: Mapping[str, NodeState] = field(default_factory=dict[str, NodeState])
    taken: Mapping[TakenEdge, int] = field(default_factory=dict[TakenEdge, int])
    current: str = ""
    caption: str = ""


def overlay(graph: Graph, states: RunStates) -> Picture:
    """Return the picture of a graph with the states, visits and times of a run."""
    marks = {node_element(node.id): _node_mark(node, states) for node in graph.nodes.values()}
    left = dict(states.taken)
    for edge, element in zip(graph.edges, edge_elements(graph.edges), strict=True):
        condition = edge.attributes.text("condition")
        # Of equal parallel edges, the first counts as taken.
        times = left.pop(TakenEdge(edge.source, edge.target, edge.label, condition), 0)
        untaken = Annotation("state-untaken", UNTAKEN)
        marks[element] = _taken(times, TAKEN) if times else untaken
    made = Counter[tuple[str, str]]()
    for way, times in states.taken.items():
        if way.is_jump:
            made[way.source, way.target] += times
    for jump in jumps(graph):
        # The journal does not name the gate for which the walk returns from the exit.
        sources = (jump.source, "") if graph.nodes[jump.source].is_goal_gate else (jump.source,)
        times = sum(made[source, jump.target] for source in sources)
        if times:
            marks[jump.element] = _taken(times, TAKEN_JUMP)
    return Picture(graph, marks, caption=states.caption, description=_description(graph, states))


def states_record(states: RunStates) -> dict[str, object]:
    """Return the states as JSON values."""
    return {
        "current": states.current or None,
        "caption": states.caption,
        "nodes": {
            id_: {
                "state": node.state.name.lower(),
                "visits": node.visits,
                "seconds": node.duration.total_seconds() if node.duration is not None else None,
                "reason": node.reason or None,
            }
            for id_, node in states.nodes.items()
        },
        "taken": [
            {"from": way.source, "to": way.target, "label": way.label, "times": times}
            for way, times in states.taken.items()
        ],
    }


def _node_mark(node: Node, states: RunStates) -> Annotation:
    state = states.nodes.get(node.id, _NEVER_REACHED)
    is_current = node.id == states.current
    names = [f"state-{state.state.name.lower()}", *(["current"] if is_current else [])]
    words = [state.state.value] if state.state is not StageState.UNREACHED else []
    words += ["next"] if is_current and state.state not in _UNFINISHED else []
    words += [f"{state.visits} visits"] if state.visits > 1 else []
    spent = state.duration
    words += [describe_duration(spent)] if spent and spent > _SHORTEST_SHOWN else []
    return Annotation(
        " ".join(names),
        RUNNING if is_current and state.state not in _UNFINISHED else _STYLES[state.state],
        note=" · ".join(words),
        tooltip=f"failed: {state.reason}" if state.reason else "",
    )


def _taken(times: int, style: ElementStyle) -> Annotation:
    return Annotation(
        "state-taken", style, tooltip=f"taken {times} times" if times > 1 else "taken"
    )


def _description(graph: Graph, states: RunStates) -> str:
    """Return one sentence for each state, with the stages in that state."""
    by_state: dict[StageState, list[str]] = {}
    for id_ in graph.nodes:
        known = states.nodes.get(id_, _NEVER_REACHED)
        reason = in_one_line(known.reason)
        short = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
        why = f" ({short})" if known.reason else ""
        by_state.setdefault(known.state, []).append(f"{id_}{why}")
    groups = [(state, by_state[state]) for state in StageState if state in by_state]
    lines = [f"{len(stages)} {state}: {listed(stages)}." for state, stages in groups]
    now = [f"Current stage: {states.current}."] if states.current in graph.nodes else []
    return "\n".join([*lines, *now])
