"""Marks in a graph how far a run of it has come."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.language.drawing.colors import (
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
from attractor.language.drawing.picture import (
    Annotation,
    Picture,
    edge_elements,
    in_one_line,
    jumps,
    listed,
    node_element,
)
from attractor.language.graph.graph import Edge, Graph, Node


class StageState(StrEnum):
    """How far a node has come in a run; the value is what people read."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "in flight"
    WAITING = "waits for a person"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"
    UNREACHED = "never reached"


_LOOKS: Mapping[StageState, ElementStyle] = {
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
    """What a run made of one node so far: over all visits, and why it failed the last time."""

    state: StageState
    visits: int = 0
    duration: timedelta | None = None
    reason: str = ""


_NEVER = NodeState(StageState.UNREACHED)


@dataclass(frozen=True)
class Taken:
    """A way that a walk took; without an edge it was a jump to a retry target."""

    source: str
    target: str
    label: str = ""
    condition: str = ""
    is_jump: bool = False


@dataclass(frozen=True)
class RunStates:
    """How far a run has come: its nodes, how often it took each way, and where it is now."""

    nodes: Mapping[str, NodeState] = field(default_factory=dict[str, NodeState])
    taken: Mapping[Taken, int] = field(default_factory=dict[Taken, int])
    current: str = ""
    caption: str = ""


def overlay(graph: Graph, states: RunStates) -> Picture:
    """Return the picture of a graph with the states, visits and times of a run drawn in."""
    marks = {node_element(node.id): _node_mark(node, states) for node in graph.nodes.values()}
    marks.update(_edge_marks(graph, states))
    marks.update(_jump_marks(graph, states))
    return Picture(graph, marks, caption=states.caption, description=_description(graph, states))


def states_record(states: RunStates) -> dict[str, object]:
    """Return the states for a program."""
    return {
        "current": states.current or None,
        "caption": states.caption,
        "nodes": {id_: _node_record(one) for id_, one in states.nodes.items()},
        "taken": [
            {"from": way.source, "to": way.target, "label": way.label, "times": times}
            for way, times in states.taken.items()
        ],
    }


def _node_record(one: NodeState) -> dict[str, object]:
    return {
        "state": one.state.name.lower(),
        "visits": one.visits,
        "seconds": one.duration.total_seconds() if one.duration is not None else None,
        "reason": one.reason or None,
    }


def _node_mark(node: Node, states: RunStates) -> Annotation:
    known = states.nodes.get(node.id, _NEVER)
    is_current = node.id == states.current
    names = [f"state-{known.state.name.lower()}", *(["current"] if is_current else [])]
    words = [known.state.value] if known.state is not StageState.UNREACHED else []
    words += ["next"] if is_current and known.state not in _AT_WORK else []
    words += [f"{known.visits} visits"] if known.visits > 1 else []
    spent = known.duration
    words += [describe_duration(spent)] if spent and spent > _AT_ONCE else []
    return Annotation(
        " ".join(names),
        RUNNING if is_current and known.state not in _AT_WORK else _LOOKS[known.state],
        note=" · ".join(words),
        tooltip=f"failed: {known.reason}" if known.reason else "",
    )


_LONGEST_REASON = 100
_AT_ONCE = timedelta(milliseconds=10)
_AT_WORK = frozenset({StageState.RUNNING, StageState.WAITING, StageState.INTERRUPTED})


def _edge_marks(graph: Graph, states: RunStates) -> Iterator[tuple[str, Annotation]]:
    """Yield the marks of edges; of two that say the same the first one is taken."""
    left = dict(states.taken)
    for edge, element in zip(graph.edges, edge_elements(graph.edges), strict=True):
        times = left.pop(_way(edge), 0)
        yield element, _taken(times, TAKEN) if times else Annotation("state-untaken", UNTAKEN)


def _jump_marks(graph: Graph, states: RunStates) -> Iterator[tuple[str, Annotation]]:
    """Yield the marks of jumps that were taken."""
    made = Counter[tuple[str, str]]()
    for way, times in states.taken.items():
        if way.is_jump:
            made[way.source, way.target] += times
    for jump in jumps(graph):
        # From the exit the walk goes back for a gate, which the journal does not name.
        sources = (jump.source, "") if graph.nodes[jump.source].is_goal_gate else (jump.source,)
        times = sum(made[source, jump.target] for source in sources)
        if times:
            yield jump.element, _taken(times, TAKEN_JUMP)


def _taken(times: int, look: ElementStyle) -> Annotation:
    return Annotation("state-taken", look, tooltip=f"taken {times} times" if times > 1 else "taken")


def _way(edge: Edge) -> Taken:
    return Taken(edge.source, edge.target, edge.label, edge.attributes.text("condition"))


def _description(graph: Graph, states: RunStates) -> str:
    """Say what became of each stage, a line for a state."""
    by_state: dict[StageState, list[str]] = {}
    for id_ in graph.nodes:
        known = states.nodes.get(id_, _NEVER)
        why = f" ({_short(known.reason)})" if known.reason else ""
        by_state.setdefault(known.state, []).append(f"{id_}{why}")
    found = [(one, by_state[one]) for one in StageState if one in by_state]
    told = [f"{len(stages)} {state}: {listed(stages)}." for state, stages in found]
    now = [f"Now at {states.current}."] if states.current in graph.nodes else []
    return "\n".join([*told, *now])


def _short(reason: str) -> str:
    line = in_one_line(reason)
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
