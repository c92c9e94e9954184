"""Rules about the start, the exit, and dead ends."""

from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.linting.validate import validate
from tests.language.rules.judging import found, inside, pointed_at, pointed_parts
from tests.tables import table


def test_empty_graph_only_lacks_start_and_exit() -> None:
    assert [one.rule for one in found("digraph G {}")] == ["start_node", "terminal_node"]


@table(
    ("says", "fix"),
    [
        ("shape=hexagon", "'{}' has shape=hexagon: use shape={} instead"),
        ("type=codergen", "'{}' has type=codergen: use shape={} instead"),
        ("type=tool, shape=box", "'{}' has type=tool and shape=box: use shape={} instead"),
    ],
)
def test_node_named_like_an_end_with_another_type_is_reported(says: str, fix: str) -> None:
    text = f"digraph G {{ Start [{says}]; end [{says}]; Start -> end }}"
    ends = [one for one in found(text) if one.rule in ("start_node", "terminal_node")]
    assert [(one.node, one.fix) for one in ends] == [
        ("Start", fix.format("Start", "Mdiamond")),
        ("end", fix.format("end", "Msquare")),
    ]
    assert [pointed_at(text, one) for one in ends] == ["Start", "end"]


def test_edges_in_code_may_name_no_node_at_all() -> None:
    graph = Graph("G", {"start": Node("start")}, (Edge("start", "strat"),))
    broken = [one for one in validate(graph) if one.rule == "edge_target_exists"]
    assert [(one.node, one.edge) for one in broken] == [("strat", ("start", "strat"))]


WORK = "a [prompt=x]; b [prompt=y]; c [prompt=z];"


def test_without_an_exit_every_end_is_as_good() -> None:
    assert found("digraph G { start; a [prompt=x]; start -> a }", "dead_end") == []


def test_each_endless_loop_is_reported_once() -> None:
    text = WORK + "d [prompt=w]; start -> a -> exit; a -> b -> b; a -> c -> d -> c -> d"
    assert [one.node for one in found(inside(text), "endless_loop")] == ["b", "c"]


@table("id_", ["inbox", "Inbox", "history", "children", "incidents"])
def test_a_reserved_id_is_pointed_at(id_: str) -> None:
    assert pointed_parts(f"{id_} [prompt=x]; start -> {id_} -> exit", "reserved_id") == [id_]


def test_an_id_that_only_begins_like_a_reserved_one_is_free() -> None:
    assert (
        pointed_parts("inbox_reader [prompt=x]; start -> inbox_reader -> exit", "reserved_id") == []
    )


WHERE: dict[str, dict[str, list[str]]] = {
    "dead_end": {
        "start -> a -> exit; a -> b": ["b"],
        "start -> a -> exit; a -> b; b -> exit": [],
        "start -> a -> exit; retry_target=b": ["b"],
        "start -> a -> exit; b": [],  # an orphan, which is more severe
        "start -> a -> exit; a -> b; b -> c; c -> b": [],
    },
    "endless_loop": {
        "start -> a -> exit; a -> b; b -> c; c -> b": ["c -> b"],
        "start -> a -> exit; a -> b; b -> b": ["b -> b"],
        "start -> a -> exit; a -> b; b -> c; c -> b; c -> exit": [],
        "start -> a -> exit; a -> b; b -> c; c -> b; b [retry_target=a]": [],
        "start -> a -> exit; a -> b; b -> c; c -> b; b [max_visits=2]": ["c -> b"],
        "start -> a -> b -> c; b -> a; c -> exit": [],
        "start -> a; a -> a; a -> b; b -> exit; b -> c": [],
    },
    "duplicate_edge": {
        "start -> a -> exit; start -> a": ["start -> a"],
        "start -> a -> exit; a -> exit [label=x]": [],
        'start -> a -> exit; a -> exit [label=""]': ["a -> exit"],
        "start -> a -> b -> exit; a -> b -> exit": ["a -> b", "b -> exit"],
        "start -> a -> exit [weight=1, label=x]; a -> exit [label=x, weight=1]": ["a -> exit"],
        "start -> a -> exit; a -> b -> a": [],
    },
}
"""For each rule, texts and the parts of them that it points at."""


@table("rule", WHERE)
def test_rule_points_at_each_fault(rule: str) -> None:
    for text, where in WHERE[rule].items():
        assert pointed_parts(WORK + text, rule) == where, text


FIX = "fix [prompt=x{}]; test [shape=parallelogram, tool_command=true{}]; start -> fix -> test;"
AGAIN = 'test -> exit [condition="outcome=success"]; test -> fix [condition="outcome=fail"]'


@table(
    ("text", "paid"),
    [
        (FIX.format("", "") + AGAIN, ["fix"]),
        (FIX.format(", max_visits=3", "") + AGAIN, []),
        (FIX.format("", ", max_visits=3") + AGAIN, []),
        (FIX.format("", "") + AGAIN + "; graph [max_node_visits=5]", []),
        (FIX.format("", "") + "test -> exit; test -> fix [loop_restart=true]", []),
        (FIX.format("", ", retry_target=fix") + "test -> exit", ["fix"]),
        (FIX.format(", shape=hexagon", "") + AGAIN, []),
        (FIX.format(", type=prompt", "") + AGAIN, ["fix"]),
        (FIX.format(", max_visits=3", "") + AGAIN + "; a [prompt=y]; fix -> a -> a -> exit", ["a"]),
    ],
)
def test_loop_that_costs_money_needs_a_bound_of_its_own(text: str, paid: list[str]) -> None:
    assert [one.node for one in found(inside(text), "paid_loop")] == paid
