"""Paths through a graph, and the outcomes that can leave a node."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

from attractor.language.conditions.analysis import could_hold
from attractor.language.graph.attribute_catalogue import RETRY_TARGETS
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes

Following = Callable[[str], Iterable[str]]
"""A function that returns the successors, or the predecessors, of a node."""


def targets(graph: Graph) -> Following:
    """Return a function that returns the targets of a node's edges."""
    return lambda node: [edge.target for edge in graph.outgoing(node)]


def sources(graph: Graph) -> Following:
    """Return a function that returns the sources of a node's incoming edges."""
    return lambda node: [edge.source for edge in graph.incoming(node)]


def failure_targets(attributes: Attributes) -> Sequence[str]:
    """Return the retry targets of a node."""
    by_key = attributes.by_key
    return [str(by_key[key].value) for key in RETRY_TARGETS if key in by_key]


def targets_and_jumps(graph: Graph) -> Following:
    """Return a function that returns the targets of a node's edges and jumps after failures."""
    jumps = {one.id: failure_targets(one.attributes) for one in _jumping(graph)}
    follow = targets(graph)
    return (lambda node: [*follow(node), *jumps.get(node, ())]) if jumps else follow


def sources_and_jumps(graph: Graph) -> Following:
    """Return a function that returns the nodes with an edge or a jump to a node."""
    jumps: dict[str, list[str]] = {}
    for node in _jumping(graph):
        for target in failure_targets(node.attributes):
            jumps.setdefault(target, []).append(node.id)
    follow = sources(graph)
    return (lambda node: [*follow(node), *jumps.get(node, ())]) if jumps else follow


def _jumping(graph: Graph) -> Iterable[Node]:
    """Return the nodes whose failure can jump to a retry target, without duplicates."""
    nodes = (node for key in RETRY_TARGETS for node in graph.nodes_with(key))
    return {one.id: one for one in nodes}.values()


def reached_from(
    begin: Iterable[str], following: Following, *, until: Iterable[str] = ()
) -> set[str]:
    """Return the reachable nodes including the first nodes; do not search behind `until`."""
    reached, ends = set(begin), frozenset(until)
    waiting = [node for node in reached if node not in ends]
    while waiting:
        for node in following(waiting.pop()):
            if node not in reached:
                reached.add(node)
                if node not in ends:
                    waiting.append(node)
    return reached


def loops(nodes: Iterable[str], following: Following) -> Iterator[Sequence[str]]:
    """Yield each strongly connected component (Tarjan, 1972).

    A single node is yielded only if it has an edge to itself.
    """
    walk = _LoopWalk(following)
    for node in nodes:
        if node not in walk.number:
            yield from walk.from_node(node)


class _LoopWalk:
    """One depth-first search, with its open nodes."""

    def __init__(self, following: Following) -> None:
        self._following = following
        self.number: dict[str, int] = {}
        self._lowest: dict[str, int] = {}
        self._open: dict[str, None] = {}

    def from_node(self, begin: str) -> Iterator[Sequence[str]]:
        stack = [(begin, self._enter(begin))]
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                if stack:
                    self._lower(stack[-1][0], self._lowest[node])
                yield from self._close(node)
            elif following not in self.number:
                stack.append((following, self._enter(following)))
            elif following in self._open:
                self._lower(node, self.number[following])

    def _enter(self, node: str) -> Iterator[str]:
        self.number[node] = self._lowest[node] = len(self.number)
        self._open[node] = None
        return iter(self._following(node))

    def _lower(self, node: str, number: int) -> None:
        self._lowest[node] = min(self._lowest[node], number)

    def _close(self, node: str) -> Iterator[Sequence[str]]:
        if self._lowest[node] < self.number[node]:
            return
        loop: list[str] = []
        while not loop or loop[-1] != node:
            loop.append(self._open.popitem()[0])
        if len(loop) > 1 or node in self._following(node):
            yield loop[::-1]


class Dominance:
    """The nodes that every path from a beginning contains (dominators)."""

    def __init__(self, parents: Mapping[str, str], spans: Mapping[str, tuple[int, int]]) -> None:
        self.parents = parents
        self._span = spans

    def covers(self, node: str, other: str) -> bool:
        """Return whether a node dominates another node.

        Then every path to the other node contains the first node, or both are the same node.
        """
        if node not in self._span or other not in self._span:
            return False
        (start, end), (place, _) = self._span[node], self._span[other]
        return start <= place < end


def innermost_first(begin: str, following: Following) -> Iterator[str]:
    """Yield the reachable nodes in the order in which a depth-first search leaves them.

    Except on a loop, each node comes after all nodes that can be reached from this node.
    """
    seen = {begin}
    stack = [(begin, iter(following(begin)))]
    while stack:
        node, rest = stack[-1]
        name = next(rest, None)
        if name is None:
            stack.pop()
            yield node
        elif name not in seen:
            seen.add(name)
            stack.append((name, iter(following(name))))


def dominance(begin: str, following: Following) -> Dominance:
    """Find the dominators of all reachable nodes with Semi-NCA (Georgiadis, 2005)."""
    names, parents, before = _number(begin, following)
    semi = _semidominators(parents, before)
    parents = parents[:]
    for node in range(1, len(names)):
        while parents[node] > semi[node]:
            parents[node] = parents[parents[node]]
    by_name = {names[node]: names[parents[node]] for node in range(1, len(names))}
    return Dominance(by_name, _spans(names, parents))


def _number(begin: str, following: Following) -> tuple[list[str], list[int], list[list[int]]]:
    """Number nodes in depth-first order; return their parents and predecessors."""
    number, names, parents, before = {begin: 0}, [begin], [0], [list[int]()]
    stack = [(0, iter(following(begin)))]
    while stack:
        node, rest = stack[-1]
        name = next(rest, None)
        if name is None:
            stack.pop()
        elif name in number:
            before[number[name]].append(node)
        else:
            number[name] = len(names)
            stack.append((len(names), iter(following(name))))
            names.append(name)
            parents.append(node)
            before.append([node])
    return names, parents, before


def _semidominators(parents: Sequence[int], before: Sequence[Sequence[int]]) -> list[int]:
    semi, label, up = list(range(len(parents))), list(range(len(parents))), list(parents)

    def lowest(node: int, last: int) -> int:
        """Return the best label on the path upwards, and shorten the path."""
        path: list[int] = []
        while up[node] >= last:
            path.append(node)
            node = up[node]
        for below in reversed(path):
            up[below] = up[node]
            if semi[label[node]] < semi[label[below]]:
                label[below] = label[node]
            node = below
        return label[node]

    for node in range(len(parents) - 1, 0, -1):
        semi[node] = min([parents[node], *(semi[lowest(one, node + 1)] for one in before[node])])
    return semi


def _spans(names: Sequence[str], parents: Sequence[int]) -> Mapping[str, tuple[int, int]]:
    """Return the range of numbers of all nodes below each node in the dominator tree."""
    sizes = [1] * len(names)
    for node in range(len(names) - 1, 0, -1):
        sizes[parents[node]] += sizes[node]
    starts, used = [0] * len(names), [1] * len(names)
    for node in range(1, len(names)):
        over = parents[node]
        starts[node] = starts[over] + used[over]
        used[over] += sizes[node]
    return {name: (starts[i], starts[i] + sizes[i]) for i, name in enumerate(names)}


SUCCESS, PARTIAL_SUCCESS, FAIL = "success", "partial_success", "fail"
_ENDS = {
    "start": (SUCCESS,),
    "exit": (SUCCESS,),
    "tool": (SUCCESS, FAIL),
    "wait": (SUCCESS, FAIL),
    "codergen": (SUCCESS, PARTIAL_SUCCESS, FAIL),
    "conditional": (SUCCESS, PARTIAL_SUCCESS, FAIL),
}
_ANY_END = (SUCCESS, PARTIAL_SUCCESS, FAIL, "skipped")


def possible_outcomes(graph: Graph, node: Node) -> Sequence[str]:
    """Return the outcomes against which the conditions on a node's edges can be checked.

    A conditional passes on the outcome of the preceding stage (ruling R1). `retry` is excluded:
    after the last attempt, `retry` becomes a failure, or a partial success with `allow_partial`.
    """
    if node.type == "wait.human":
        is_partial = node.attributes.flag("allow_partial")
        return (SUCCESS, PARTIAL_SUCCESS, FAIL) if is_partial else (SUCCESS, FAIL)
    is_end = any(node.id == end.id for end in (*graph.starts, *graph.exits))
    return _ENDS["start"] if is_end else _ENDS.get(node.type, _ANY_END)


Choices = Mapping[tuple[str, str], Edge]
"""The choices of a person: edges by label and target."""


def human_gates(graph: Graph) -> Iterator[tuple[Node, Choices]]:
    """Yield every human gate with its choices.

    An edge whose condition requires an outcome other than success is not a choice.
    """
    for node in graph.of_type("wait.human"):
        choices: dict[tuple[str, str], Edge] = {}
        for edge in graph.outgoing(node.id):
            if not edge.is_conditional or could_hold(edge.condition, [SUCCESS]):
                choices.setdefault((edge.label.strip() or edge.target, edge.target), edge)
        yield node, choices


CONDITIONAL = "conditional"


def unchecked_conditionals(graph: Graph, among: Iterable[str]) -> Set[str]:
    """Return the nodes reached from a stage before any condition checks the outcome of the stage.

    A conditional with a single, unconditional edge checks nothing, but the target of this edge may.
    Only the graph after the nodes is searched.
    """
    is_unchecked: dict[str, bool] = {}
    for node in among:
        at, passed = node, list[str]()
        while at not in is_unchecked and is_conditional(graph, at):
            edges = graph.outgoing(at)
            if len(edges) != 1 or edges[0].is_conditional:
                break
            # A cycle of such conditionals checks nothing either.
            is_unchecked[at] = True
            passed.append(at)
            at = edges[0].target
        is_unchecked.update(
            dict.fromkeys(passed, is_unchecked.get(at, not is_conditional(graph, at)))
        )
    return {node for node, unchecked in is_unchecked.items() if unchecked}


def is_conditional(graph: Graph, node: str) -> bool:
    """Return whether a node passes on the outcome of the preceding stage (ruling R1)."""
    return node in graph.nodes and graph.nodes[node].type == CONDITIONAL
