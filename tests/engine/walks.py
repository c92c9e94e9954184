"""Generates small graphs with all attributes that affect routing, and outcomes of their stages."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import assume, strategies as st

from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.language.graph.branches import find_misplaced_restarts
from attractor.language.graph.graph import Edge, Graph, Node
from tests.engine.graphs import edge, end, graph, node, start

IDS = ("a", "b", "c", "d")
LABELS = ("", "", "Yes", "[N] No")
CONDITIONS = (
    "",
    "",
    "",
    "outcome=success",
    "outcome!=success",
    "outcome=fail",
    "outcome=partial_success",
    "preferred_label=Yes",
    "context.color=red",
    "outcome=fail && context.color!=red",
)


@st.composite
def _nodes(draw: st.DrawFn, id_: str, ids: Sequence[str] = IDS) -> Node:
    optional = {
        "goal_gate": st.just(value=True),
        "retry_target": st.sampled_from(ids),
        "fallback_retry_target": st.sampled_from(ids),
        "max_retries": st.integers(1, 2),
        "allow_partial": st.just(value=True),
        "on_failure": st.just("continue"),
        "max_visits": st.integers(1, 3),
        "max_same_failures": st.integers(1, 3),
    }
    names = draw(st.lists(st.sampled_from([*optional]), max_size=5, unique=True))
    kept = {name: draw(optional[name]) for name in names}
    shape = draw(st.sampled_from(["box", "box", "box", "diamond", "hexagon"]))
    # No waits between attempts, so that real runs are fast.
    return node(id_, shape, retry_policy="none", prompt="Do it", **kept)


@st.composite
def _edges(
    draw: st.DrawFn, ids: Sequence[str] = IDS, out: str = "exit", *, restarts: bool = False
) -> Edge:
    target = draw(st.sampled_from([*ids, out, out]))
    is_restart = restarts and target != out and draw(st.integers(0, 2)) == 0
    return edge(
        draw(st.sampled_from(ids)),
        target,
        draw(st.sampled_from(CONDITIONS)),
        label=draw(st.sampled_from(LABELS)),
        weight=draw(st.integers(0, 1)),
        **({"loop_restart": True} if is_restart else {}),
    )


LIMITS = {"max_node_visits": 3, "max_goal_gate_redirects": 2, "max_restarts": 2}


@st.composite
def small_graphs(draw: st.DrawFn) -> Graph:
    """Return a graph that ends within a few steps or by its limits."""
    nodes = [draw(_nodes(id_)) for id_ in IDS]
    ways = draw(st.lists(_edges(restarts=True), max_size=10))
    edges = [edge("start", draw(st.sampled_from(IDS))), *ways]
    optional = {"retry_target": st.sampled_from(IDS), "on_failure": st.just("continue")}
    attributes = draw(st.fixed_dictionaries({}, optional=optional))
    return graph([start(), end(), *nodes], edges, **LIMITS, **attributes)


@st.composite
def outcomes(draw: st.DrawFn, of: Graph) -> Outcome:
    """Return a possible outcome of a stage, as an outcomes file can express it."""
    statuses = ["success", "partial_success", "fail", "retry"]
    status = StageStatus(draw(st.sampled_from(statuses)))
    failed = status in (StageStatus.FAIL, StageStatus.RETRY)
    classes = [None, None, FailureClass.TERMINAL, FailureClass.VERDICT, FailureClass.RETRYABLE]
    return Outcome(
        status,
        preferred_label=draw(st.sampled_from(["", "Yes", "yes", "No", "Other"])),
        suggested_next_ids=tuple(draw(st.lists(st.sampled_from(list(of.nodes)), max_size=2))),
        context_updates=draw(st.sampled_from([{}, {"color": "red"}, {"color": "blue"}])),
        failure_reason="it went wrong" if failed else "",
        failure_class=draw(st.sampled_from(classes)) if failed else None,
    )


@dataclass(frozen=True)
class _Part:
    """A part of a graph: its first node, and all its nodes and edges."""

    begin: str
    nodes: Sequence[Node]
    edges: Sequence[Edge]


POLICIES = ("wait_all", "all", "first_success", "quorum")
ITEMS = ("[]", '["red"]', '["red", "blue"]')
"""The items of a `for_each`, as attributes of the graph, so that each round of a run has them."""


@st.composite
def _forks(
    draw: st.DrawFn,
    id_: str,
    meeting: str,
    policies: Sequence[str],
    types: Sequence[str],
    *,
    depth: int,
) -> _Part:
    """Return a fork with its branches, and the node where the branches meet."""
    optional = {
        "join_policy": st.sampled_from(policies),
        "max_retries": st.integers(1, 2),
        "retry_target": st.sampled_from([id_, "after"]),
        "isolation": st.just("shared"),
        "max_visits": st.integers(1, 3),
        "max_same_failures": st.integers(1, 2),
        "goal_gate": st.just(value=True),
    }
    plain = draw(st.fixed_dictionaries({}, optional=optional))
    items = f"graph.items{draw(st.sampled_from(range(len(ITEMS))))}"
    type_ = draw(st.sampled_from(types))
    fork = node(id_, "component", type=type_, items=items, retry_policy="none", **plain)
    shape = draw(st.sampled_from(["tripleoctagon", "tripleoctagon", "box"]))
    merge = draw(st.sampled_from(["winner", "all", "none"]))
    # Empty branches share their end, which must therefore be a fan-in.
    sorts = ["nothing"] * (shape != "box") + ["fork"] * depth + ["stages"] * 4
    parts = [
        draw(_branches(f"{id_}{number}", meeting, policies, types, sorts, depth=depth))
        for number in range(draw(st.integers(1, 3)))
    ]
    return _Part(
        id_,
        [fork, node(meeting, shape, merge=merge), *(one for part in parts for one in part.nodes)],
        [
            *(edge(id_, part.begin) for part in parts),
            *(one for part in parts for one in part.edges),
        ],
    )


@st.composite
def _branches(
    draw: st.DrawFn,
    prefix: str,
    meeting: str,
    policies: Sequence[str],
    types: Sequence[str],
    sorts: Sequence[str],
    *,
    depth: int,
) -> _Part:
    """Return a branch of a random sort: empty, a fork, or stages with edges between them."""
    sort = draw(st.sampled_from(sorts))
    if sort == "nothing":
        return _Part(meeting, [], [])
    if sort == "fork":
        fork = draw(_forks(f"{prefix}f", f"{prefix}m", policies, types, depth=depth - 1))
        return _Part(fork.begin, fork.nodes, [*fork.edges, edge(f"{prefix}m", meeting)])
    ids = [f"{prefix}{letter}" for letter in "xy"]
    ways = draw(st.lists(_edges([*ids], out=meeting), max_size=4))
    line = [edge(ids[0], ids[1], weight=-1), edge(ids[1], meeting, weight=-1)]
    # Retry targets inside and outside of the branch.
    targets = [*ids, "after", "fan"]
    return _Part(ids[0], [draw(_nodes(one, targets)) for one in ids], [*ways, *line])


@st.composite
def forked_graphs(
    draw: st.DrawFn,
    policies: Sequence[str] = POLICIES,
    types: Sequence[str] = ("parallel", "parallel", "for_each"),
) -> Graph:
    """Return a graph with a fork, perhaps nested, that may be visited repeatedly."""
    fork = draw(_forks("fan", "join", policies, types, depth=1))
    optional = {
        "retry_target": st.sampled_from(["fan", "after"]),
        "on_failure": st.just("continue"),
    }
    attributes = draw(st.fixed_dictionaries({}, optional=optional))
    back = draw(st.sampled_from(["outcome=fail", "outcome=partial_success", "context.color=red"]))
    around = [
        edge("start", "fan"),
        edge("join", "after"),
        edge("after", "fan", back, loop_restart=draw(st.booleans())),
        edge("after", "exit"),
    ]
    drawn = graph(
        [start(), end(), *fork.nodes, node("after", max_retries=0)],
        [*around, *fork.edges],
        **{f"items{number}": items for number, items in enumerate(ITEMS)},
        **LIMITS,
        **attributes,
    )
    # Branches that do not meet reach the edge back.
    assume(not any(find_misplaced_restarts(drawn)))
    return drawn
