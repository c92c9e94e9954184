"""Branches of forks as lanes of a drawing: a lane can be folded to a single node.

The lanes of a fork with many branches can be folded together, as a bundle.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState, TakenEdge
from attractor.language.graph.branches import Fork, find_forks
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes

_SHAPE, _TYPE = "box3d", "branch"
_URGENT = (StageState.FAILED, StageState.WAITING, StageState.RUNNING, StageState.INTERRUPTED)
_ENDED = frozenset({StageState.DONE, StageState.SKIPPED, StageState.FAILED})

MANY = 10
"""The branches of a fork with so many are a bundle."""


@dataclass(frozen=True)
class Lane:
    """The nodes of a branch of a fork, with the branches inside it; `begin` is the first node."""

    fork: str
    begin: str
    nodes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folded lane in words."""
        return self.begin

    def title(self, graph: Graph) -> str:
        """Return the first line of the folded lane."""
        return graph.nodes[self.begin].label

    def count(self, states: RunStates) -> str:
        """Return how many nodes have ended, as the text in the folded lane."""
        known = (states.nodes.get(node) for node in self.nodes)
        ended = sum(one is not None and one.state in _ENDED for one in known)
        return f"{ended} of {number_of(len(self.nodes), 'stage')}"


@dataclass(frozen=True)
class Bundle:
    """Several lanes of a fork, which are folded to one node."""

    fork: str
    lanes: tuple[Lane, ...]

    @property
    def begin(self) -> str:
        """The id of the folded node, which no node of a pipeline has."""
        return f"{self.fork}/"

    @property
    def name(self) -> str:
        """The folded bundle in words."""
        return f"branches of {self.fork}"

    @property
    def nodes(self) -> Sequence[str]:
        """The nodes of all lanes."""
        return [node for lane in self.lanes for node in lane.nodes]

    def title(self, graph: Graph) -> str:
        """Return the first line of the folded bundle."""
        is_part = len(self.lanes) < len({edge.target for edge in graph.outgoing(self.fork)})
        return f"{len(self.lanes)} other branches" if is_part else f"{len(self.lanes)} branches"

    def count(self, states: RunStates) -> str:
        """Return how many branches have ended, as the text in the folded bundle."""
        ended = sum(lane_state(lane, states).state in _ENDED for lane in self.lanes)
        return f"{ended} of {len(self.lanes)} ended"


Folded = Lane | Bundle
"""What is folded to one node."""


def find_bundles(graph: Graph) -> Sequence[Bundle]:
    """Return the branches of each fork that has many, also those with a single node."""
    by_fork: dict[str, list[Lane]] = {}
    for lane in _all_lanes(graph):
        by_fork.setdefault(lane.fork, []).append(lane)
    return [Bundle(fork, tuple(lanes)) for fork, lanes in by_fork.items() if len(lanes) >= MANY]


def find_lanes(graph: Graph) -> Sequence[Lane]:
    """Return the branches with several nodes, each before the branches inside it."""
    found = [lane for lane in _all_lanes(graph) if len(lane.nodes) > 1]
    return sorted(found, key=lambda lane: -len(lane.nodes))


def _all_lanes(graph: Graph) -> Iterator[Lane]:
    forks = {fork.node: fork for fork in find_forks(graph)}
    for fork in forks.values():
        whole = {begin: _with_inner(nodes, forks) for begin, nodes in fork.branches.items()}
        shared = [node for nodes in whole.values() for node in nodes]
        if len(shared) != len(set(shared)):
            continue  # branches that share nodes cannot be folded apart
        for begin, nodes in whole.items():
            if begin in nodes:
                yield Lane(fork.node, begin, tuple(node for node in graph.nodes if node in nodes))


def _with_inner(nodes: Collection[str], forks: Mapping[str, Fork]) -> set[str]:
    """Return the nodes of a branch with those of the branches inside it."""
    found, waiting = set[str](), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            inner = forks.get(node)
            for branch in inner.branches.values() if inner else ():
                waiting += branch
    return found


def fold(graph: Graph, lanes: Sequence[Folded]) -> tuple[Graph, Sequence[Folded]]:
    """Return a graph in which each lane or bundle is one node, and those that are drawn.

    One inside of another that comes before it is not drawn.
    """
    drawn: list[Folded] = []
    home: dict[str, str] = {}
    for lane in lanes:
        if home.keys().isdisjoint(lane.nodes):
            drawn.append(lane)
            home.update(dict.fromkeys(lane.nodes, lane.begin))
    nodes = {id_: node for id_, node in graph.nodes.items() if home.get(id_, id_) == id_}
    for lane in drawn:
        label = f"{lane.title(graph)}\n{lane.count(RunStates())}"
        attributes = Attributes.of({"label": label, "shape": _SHAPE, "type": _TYPE})
        nodes[lane.begin] = Node(lane.begin, attributes)
    edges: dict[object, Edge] = {}
    for number, edge in enumerate(graph.edges):
        ends = home.get(edge.source, edge.source), home.get(edge.target, edge.target)
        if edge.source not in home and edge.target not in home:
            edges[number] = edge
        elif ends[0] != ends[1]:
            edges.setdefault(ends, Edge(*ends))
    boxes = tuple(
        replace(box, nodes=tuple(node for node in box.nodes if node in nodes))
        for box in graph.subgraphs
    )
    return Graph(graph.name, nodes, tuple(edges.values()), graph.attributes, boxes), drawn


def fold_states(states: RunStates, lanes: Sequence[Folded]) -> RunStates:
    """Return the states of a graph whose lanes are folded."""
    home = {node: lane.begin for lane in lanes for node in lane.nodes}
    nodes = {id_: node for id_, node in states.nodes.items() if id_ not in home}
    for lane in lanes:
        nodes[lane.begin] = lane_state(lane, states)
    taken: dict[TakenEdge, int] = {}
    for edge, times in states.taken.items():
        source, target = home.get(edge.source, edge.source), home.get(edge.target, edge.target)
        if edge.source in home or edge.target in home:
            edge = TakenEdge(source, target, is_jump=edge.is_jump)
        if source != target:
            taken[edge] = taken.get(edge, 0) + times
    current = home.get(states.current, states.current)
    return RunStates(nodes, taken, current, states.caption)


def lane_state(lane: Folded, states: RunStates) -> NodeState:
    """Return the state of what is folded: of what is at work or failed in it first."""
    known = [states.nodes[node] for node in lane.nodes if node in states.nodes]
    found = {one.state for one in known} - {StageState.UNREACHED}
    state = next((one for one in _URGENT if one in found), None)
    if state is None and found:
        fork = states.nodes.get(lane.fork)
        is_between = fork and fork.state is StageState.RUNNING and len(known) < len(lane.nodes)
        state = StageState.RUNNING if is_between else StageState.DONE
    spent = sum((node.duration or timedelta() for node in known), timedelta())
    reason = next((node.reason for node in known if node.state is StageState.FAILED), "")
    return NodeState(state or StageState.UNREACHED, 1, spent or None, reason)
