"""Meaning of attributes: defaults and spellings.

Comparing pipelines by their meaning.
"""

from hypothesis import HealthCheck, given, settings, strategies as st

from attractor.language import diff, format, parse
from attractor.language.comparison.compare import meaning, written_default
from attractor.language.comparison.difference import Difference
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, AttributeType
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Attributes, parse_integer
from tests.counts import count
from tests.language.pipelines import any_graphs
from tests.tables import table

# Their defaults depend on the run, or there is none.
WITHOUT = {
    *("label", "type", "max_retries", "max_visits", "max_node_visits", "fidelity", "thread_id"),
    *("isolation", "retry_policy"),
    *("max_cost_usd", "max_tokens", "max_duration", "timeout", "stack.child_workdir"),
    *("require_verdict", "llm_model", "llm_provider", "backend"),
    *("stall_timeout", "max_same_failures", "manager.steer_cooldown"),
}


def test_written_defaults_are_valid() -> None:
    assert {key for key in ATTRIBUTES if written_default(key) is None} == WITHOUT
    for key, known in ATTRIBUTES.items():
        default = written_default(key)
        match known.type:
            case AttributeType.INTEGER if default:
                assert parse_integer(default) is not None, key
            case AttributeType.DURATION if default:
                assert meaning(default, known) != default, key
            case AttributeType.BOOLEAN if default is not None:
                assert default in ("true", "false"), key
            case _:
                assert default is None or not known.choices or default in ("", *known.choices), key


# Spellings with the same meaning, by element.
GRAPH_SPELLINGS = [
    ["default_max_retries=3", "default_max_retry=3", 'default_max_retries="3"'],
    ["", "max_restarts=5", 'goal=""', "default_fidelity=compact"],
    ["llm_model=m", "model=m", 'model="m"'],
    ["max_duration=2m", "max_duration=120s", 'max_duration="120000ms"'],
    ["max_cost_usd=5", 'max_cost_usd="5.0"', "max_cost_usd=5.00"],
    [
        'model_stylesheet="* { llm_model: a; } .x { llm_model: b; }"',
        'model_stylesheet=".x {llm_model:b}   * {\n llm_model: a }"',
    ],
]
NODE_SPELLINGS = [
    ["tool_command=make", "script=make", 'script="make"', 'tool_command="ma" + "ke"'],
    ["llm_provider=p", 'provider="p"'],
    ["goal_gate=true", 'goal_gate="true"'],
    ["timeout=90s", 'timeout="90s"', "timeout=90000ms"],
    ["class=a", 'class=" a,a"'],
    ["x=1", 'x="1"'],
    ["max_retries=2", 'max_retries="2"'],
    ["", 'prompt=""', 'label="work"', "shape=box", "type=codergen", "allow_partial=false"],
    ["", "join_policy=wait_all", "max_parallel=4", '"manager.poll_interval"="45000ms"'],
    ["", "fidelity=compact", "max_visits=10", 'backend=""'],
]
EDGE_SPELLINGS = [
    [
        'condition="outcome=success"',
        'condition="outcome = succeeded"',
        'condition="outcome=\\"success\\""',
    ],
    ['condition="outcome!=fail"', 'condition="outcome!=failure"', 'condition="!(outcome=failed)"'],
    ['condition="outcome=fail && context.x=1"', 'condition="context.x=1&&outcome=failed"'],
    ['condition="outcome=fail || context.x=1"', 'condition="context.x=1 || outcome=failure"'],
    ['condition="!(outcome=fail || context.x=1)"', 'condition="!(context.x=1 || outcome=failure)"'],
    ["", "weight=0", 'label=""', "loop_restart=false", "fidelity=compact", 'condition=" "'],
    ["weight=2", 'weight="2"'],
]
SPELLINGS = [
    *(("graph [{}]", one) for one in GRAPH_SPELLINGS),
    *(("work [{}]", one) for one in NODE_SPELLINGS),
    ("graph [{}]", ["", "default_max_retries=0", "reasoning_effort=high"]),
    ("work [{}]", ["", "max_retries=0", "reasoning_effort=high", "goal_gate=false"]),
    *(("work -> exit [{}]", one) for one in EDGE_SPELLINGS),
]


def between(before: str, after: str) -> Difference:
    old, new = (parse(f"digraph G {{ work; exit; {one} }}") for one in (before, after))
    return diff(old, new)


@table(("statement", "spellings"), SPELLINGS)
def test_spelling_is_no_change(statement: str, spellings: list[str]) -> None:
    first, *others = (statement.format(one) for one in spellings)
    for other in others:
        assert not between(first, other), other
        assert not between(other, first), other


@table(
    ("before", "after"),
    [
        ("graph [default_max_retry=3]", "graph [default_max_retries=4]"),
        ("graph [goal=x]", 'graph [goal="X"]'),
        (
            'graph [model_stylesheet="* { llm_model: a; }"]',
            'graph [model_stylesheet="* {llm_model: b}"]',
        ),
        ('graph [model_stylesheet="* { "]', 'graph [model_stylesheet="*  { "]'),
        ("work [script=make]", "work [tool_command=test]"),
        ("work [goal_gate=true]", "work"),
        ("work", 'work [label="Work"]'),
        ("work", "work [shape=hexagon]"),
        ("work [timeout=90s]", "work [timeout=90m]"),
        ("work [timeout=soon]", "work [timeout=later]"),
        ("work", 'work [x=""]'),
        ("work", 'work [on_failure=""]'),
        ("work", "work [llm_model=high]"),
        ("work", 'work [thread_id="derived"]'),
        ("work", "work [require_verdict=true]"),
        ("work", "work [max_retries=1]"),
        ("work -> exit", "work -> exit [weight=1]"),
        ('work -> exit [condition="outcome=succeeded"]', 'work -> exit [condition="outcome=fail"]'),
        (
            'work -> exit [condition="context.x=succeeded"]',
            'work -> exit [condition="context.x=success"]',
        ),
        ('work -> exit [condition="outcome=a ="]', 'work -> exit [condition="outcome=b ="]'),
        ("work -> exit", 'work -> exit [condition="outcome=success"]'),
    ],
)
def test_meaning_is_a_change(before: str, after: str) -> None:
    on_failure = "graph [on_failure=continue];"
    assert between(f"{on_failure} {before}", f"{on_failure} {after}")
    assert between(f"{on_failure} {after}", f"{on_failure} {before}")


@given(st.data())
def test_several_spellings_in_another_order_are_no_change(data: st.DataObject) -> None:
    statements: list[str] = []
    for statement, rows in (("graph [{}]", GRAPH_SPELLINGS), ("work [{}]", NODE_SPELLINGS)):
        chosen = data.draw(st.lists(st.sampled_from(rows), unique_by=id))
        for order in (chosen, data.draw(st.permutations(chosen))):
            said = [data.draw(st.sampled_from(ways)) for ways in order]
            statements.append(statement.format(", ".join(filter(None, said))))
    graph, graph_again, work, work_again = statements
    assert not between(f"{graph} {work}", f"{work_again} {graph_again}")


def test_defaults_of_the_graph_count() -> None:
    graph = "graph [default_max_retries=2, max_node_visits=7, retry_policy=linear];"
    said = "work [max_retries=2, max_visits=7, retry_policy=linear]"
    assert not between(f"{graph} work", f"{graph} {said}")
    assert between("work", said)
    found = between("graph [default_max_retries=2]", "work [max_retries=2]")
    assert [one.key for one in found.attributes] == ["default_max_retries"]
    [change] = found.changed_nodes
    assert (change.changes[0].key, str(change.changes[0].after)) == ("max_retries", "2")
    edge = "work -> exit [fidelity=full]"
    found = between(edge, f"graph [default_fidelity=full]; {edge}")
    assert [one.key for one in found.attributes] == ["default_fidelity"]
    assert found.changed_edges == ()
    exit_ = "exit [fidelity=full];"
    assert not between(f"{exit_} work -> exit", f"{exit_} work -> exit [fidelity=full]")
    sheet = 'graph [model_stylesheet="* { reasoning_effort: low; }"];'
    assert between(f"{sheet} work", f"{sheet} work [reasoning_effort=high]")
    assert not between("work [shape=hexagon]", "work [shape=hexagon, type=wait.human]")
    [change] = between("work [shape=hexagon]", "work [shape=hexagon, type=tool]").changed_nodes
    assert [one.key for one in change.changes] == ["type"]


@table("written", ["shape=Msquare", "type=exit, shape=Msquare"])
def test_explicit_shape_of_an_exit_by_id_is_no_change(written: str) -> None:
    assert not between("work -> exit", f"work -> exit; exit [{written}]")


MANY = settings(
    max_examples=count(ci=12, full=1_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def changes_of(before: str, after: str) -> Difference:
    return diff(parse(f"digraph G {{ {before} }}"), parse(f"digraph G {{ {after} }}"))


def values(attributes: Attributes) -> dict[str, str]:
    """Return the values of unknown attributes; quotes have no meaning there."""
    return {key: str(one.value) for key, one in attributes.by_key.items()}


@MANY
@given(any_graphs())
def test_graph_does_not_differ_from_itself(graph: Graph) -> None:
    assert not diff(graph, parse(format(graph)))


@MANY
@given(any_graphs(), any_graphs())
def test_graphs_without_difference_have_the_same_meaning(before: Graph, after: Graph) -> None:
    same_edges = all(
        node in after.nodes
        and [(one.target, values(one.attributes)) for one in before.outgoing(node)]
        == [(one.target, values(one.attributes)) for one in after.outgoing(node)]
        for node in before.nodes
    )
    same = (
        before.name == after.name
        and values(before.attributes) == values(after.attributes)
        and {id_: values(one.attributes) for id_, one in before.nodes.items()}
        == {id_: values(one.attributes) for id_, one in after.nodes.items()}
        and same_edges
    )
    if not diff(before, after):
        assert same


@MANY
@given(any_graphs(), any_graphs())
def test_reverse_difference_removes_added_nodes(before: Graph, after: Graph) -> None:
    there, back = diff(before, after), diff(after, before)
    assert bool(there) is bool(back)
    assert len(there.added_nodes) - len(there.removed_nodes) == len(back.removed_nodes) - len(
        back.added_nodes
    )


def test_layout_comments_and_order_make_no_difference() -> None:
    before = "a [x=1, y=2]; b; a -> b; a -> c"
    after = "// c\nb\nnode [x=1]; a [y=2]\na->b\na->c"
    assert not changes_of(f"c; {before}", f"c; {after}")


def test_changed_nodes() -> None:
    found = changes_of('a [x=1]; b [prompt="b"]', 'a [x=2, y=1]; c [tool_command="c"]')
    assert [node.id for node in found.added_nodes] == ["c"]
    assert [node.id for node in found.removed_nodes] == ["b"]
    [change] = found.changed_nodes
    assert [(one.key, str(one.before), str(one.after)) for one in change.changes] == [
        ("x", "1", "2"),
        ("y", "None", "1"),
    ]
    found = between('work [script="a", timeout=1m]', 'work [tool_command="b", timeout="90s"]')
    [change] = found.changed_nodes
    assert [(one.key, str(one.before), str(one.after)) for one in change.changes] == [
        ("tool_command", "a", "b"),
        ("timeout", "1m", "90s"),
    ]


def test_renamed_nodes() -> None:
    found = changes_of(
        'plan [prompt="Plan"]; a -> plan -> b', 'think [prompt="Plan"]; a -> think -> b'
    )
    assert [(one.before.id, one.after.id) for one in found.changed_nodes] == [("plan", "think")]
    assert found.added_nodes == ()
    assert found.removed_nodes == ()
    assert found.added_edges == ()
    assert found.removed_edges == ()
    assert found.changed_edges == ()
    before = 'plan [prompt="Plan", max_retries=2, timeout=9s]; a -> plan -> b'
    after = 'think [prompt="Plan", max_retries=3, timeout=9s]; a -> think -> b'
    found = changes_of(before, after)
    assert found.changed_nodes == ()
    assert [node.id for node in (*found.removed_nodes, *found.added_nodes)] == ["plan", "think"]
    found = changes_of("a; b; a -> b", "a; c; d; d -> c")
    assert [node.id for node in found.added_nodes] == ["c", "d"]
    assert [node.id for node in found.removed_nodes] == ["b"]
    before = 'plan [prompt="Plan"]; plan -> exit; work [retry_target=plan]'
    after = 'think [prompt="Plan"]; think -> exit; work [retry_target=think]'
    [change] = between(before, after).changed_nodes
    assert (change.before.id, change.after.id) == ("plan", "think")


def test_changed_edges() -> None:
    found = changes_of(
        'a; b; c; a -> b [condition="outcome=fail"]', 'a; b; c; a -> c [condition="outcome=fail"]'
    )
    [change] = found.changed_edges
    assert change.is_rerouted
    assert (change.before.target, change.after.target) == ("b", "c")
    assert found.added_edges == ()
    assert found.removed_edges == ()
    found = changes_of("a -> b [label=x]; a -> b [label=y]", "a -> b [label=y]; a -> b [label=z]")
    [change] = found.changed_edges
    assert [(str(one.before), str(one.after)) for one in change.changes] == [("x", "z")]
    found = changes_of("a -> b; a -> c", "a -> c; a -> b")
    assert found.reordered == ("a",)
    assert found.added_edges == ()
    assert found.removed_edges == ()
    assert found.changed_edges == ()
    before = 'work -> a [condition="outcome=success"]; work -> b [weight=0]'
    after = 'work -> b; work -> a [condition="outcome=succeeded"]'
    assert between(before, after).reordered == ("work",)


def test_added_removed_and_changed_subgraphs() -> None:
    found = changes_of(
        'subgraph x { label="X"; a } subgraph y { b } c',
        'subgraph x { label="Z"; b } subgraph z { c } a',
    )
    assert (found.added_subgraphs, found.removed_subgraphs) == (("z",), ("y",))
    assert [one.id for one in found.changed_subgraphs] == ["x"]
    assert [(one.node, one.before, one.after) for one in found.moved_nodes] == [
        ("a", ("x",), ()),
        ("b", ("y",), ("x",)),
        ("c", (), ("z",)),
    ]


def test_ten_thousand_renamed_and_changed_nodes() -> None:
    before = "; ".join(f'a{i} [prompt="{i}"]' for i in range(10_000))
    after = "; ".join(f'b{i} [prompt="x{i}"]' for i in range(10_000))
    assert len(changes_of(before, after).added_nodes) == 10_000
