"""Generates small graphs with all that decides where a walk goes, and outcomes for their stages."""

from hypothesis import strategies as st

from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.language.graph import Edge, Graph, Node
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
def _nodes(draw: st.DrawFn, id_: str) -> Node:
    optional = {
        "goal_gate": st.just(value=True),
        "retry_target": st.sampled_from(IDS),
        "fallback_retry_target": st.sampled_from(IDS),
        "max_retries": st.integers(0, 2),
        "allow_partial": st.just(value=True),
        "on_failure": st.just("continue"),
        "max_visits": st.integers(1, 3),
    }
    attributes = draw(st.fixed_dictionaries({}, optional=optional))
    kept = {key: value for key, value in attributes.items() if draw(st.integers(0, 3)) == 0}
    shape = draw(st.sampled_from(["box", "box", "diamond", "hexagon"]))
    # Attempts follow each other at once, so that real runs are fast.
    return node(id_, shape, retry_policy="none", prompt="Do it", **kept)


@st.composite
def _edges(draw: st.DrawFn) -> Edge:
    return edge(
        draw(st.sampled_from(IDS)),
        draw(st.sampled_from([*IDS, "exit", "exit"])),
        draw(st.sampled_from(CONDITIONS)),
        label=draw(st.sampled_from(LABELS)),
        weight=draw(st.integers(0, 1)),
    )


@st.composite
def small_graphs(draw: st.DrawFn) -> Graph:
    """Return a graph that ends within a few steps or by its limits."""
    nodes = [draw(_nodes(id_)) for id_ in IDS]
    edges = [edge("start", draw(st.sampled_from(IDS))), *draw(st.lists(_edges(), max_size=10))]
    optional = {"retry_target": st.sampled_from(IDS), "on_failure": st.just("continue")}
    attributes = draw(st.fixed_dictionaries({}, optional=optional))
    return graph(
        [start(), end(), *nodes],
        edges,
        max_node_visits=3,
        max_goal_gate_redirects=2,
        **attributes,
    )


@st.composite
def outcomes(draw: st.DrawFn, of: Graph) -> Outcome:
    """Return what a stage of a graph may come to, as an outcomes file may say it."""
    statuses = ["success", "success", "partial_success", "fail", "retry"]
    status = StageStatus(draw(st.sampled_from(statuses)))
    failed = status in (StageStatus.FAIL, StageStatus.RETRY)
    classes = [None, FailureClass.TERMINAL, FailureClass.VERDICT, FailureClass.RETRYABLE]
    return Outcome(
        status,
        preferred_label=draw(st.sampled_from(["", "Yes", "No", "Other"])),
        suggested_next_ids=tuple(draw(st.lists(st.sampled_from(list(of.nodes)), max_size=2))),
        context_updates=draw(
            st.dictionaries(st.just("color"), st.sampled_from(["red", "blue"]), max_size=1)
        ),
        failure_reason="it went wrong" if failed else "",
        failure_class=draw(st.sampled_from(classes)) if failed else None,
    )
