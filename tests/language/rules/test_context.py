"""The rule about keys of the context."""

from dataclasses import replace

from attractor.language.graph.graph import Graph
from attractor.language.linting.validate import validate
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Value, ValueKind
from tests.language.rules.judging import inside, pointed_parts
from tests.tables import table

NODES = (
    "a [prompt=a]; c [shape=diamond]; h [shape=hexagon]; t [shape=parallelogram, tool_command=ls];"
    "p [shape=component]; j [shape=tripleoctagon]; m [shape=house];"
)


def asking(way: str, key: str, *, before: str = "") -> str:
    """Return an edge with a condition on a key, and the edges that lead to it."""
    return f'{NODES} {before} {way} [condition="{key}=1"]'


@table(
    ("way", "key", "before", "is_fine"),
    [
        ("start -> a", "context.x", "", False),
        ("c -> a", "context.x", "start -> c", False),
        ("c -> exit", "context.x", "start -> a -> c", True),
        ("a -> exit", "context.x", "start -> a", True),
        ("t -> exit", "context.x", "start -> t", False),
        ("h -> exit", "context.human.gate.selected", "start -> h", True),
        ("a -> exit", "context.human.gate.selected", "start -> a", False),
        ("a -> exit", "human.gate.selected", "start -> a; a -> h; h -> a", True),
        ("a -> exit", "human.gate.selected", "start -> a; a -> h", False),
        ("a -> exit", "context.tool.output", "start -> a", False),
        ("t -> exit", "context.tool.output", "start -> t", True),
        ("a -> exit", "context.parallel.results", "start -> a", False),
        ("j -> exit", "context.parallel.fan_in.best_id", "start -> p -> j", True),
        ("m -> exit", "context.stack.child.status", "start -> m", True),
        ("a -> exit", "context.stack.child.status", "start -> a", False),
        ("f -> exit", "context.parallel.results", "start -> a -> f; f [type=for_each]", True),
        ("w -> exit", "context.x", "start -> w; w [type=wait]", False),
        ("q -> exit", "context.x", "start -> q; q [type=prompt]", True),
        ("start -> a", "context.graph.goal", "", True),
        ("start -> a", "outcome", "", True),
        ("start -> a", "context.last_stage", "", True),
        ("c -> a", "context.x", "start -> c; start [retry_target=t]; t -> a -> c", True),
    ],
)
def test_key_that_no_stage_can_set_is_reported(
    way: str, key: str, before: str, is_fine: bool
) -> None:
    broken = pointed_parts(asking(way, key, before=before), "context_key_written")
    assert broken == ([] if is_fine else [key])


def templated(graph: Graph, node: str, text: str) -> Graph:
    """Return the graph with a prompt from a template."""
    one = graph.nodes[node]
    value = Value(ValueKind.TEMPLATE, text, text)
    attributes = one.attributes.replaced("prompt", value)
    return replace(graph, nodes={**graph.nodes, node: replace(one, attributes=attributes)})


@table(
    ("node", "text", "keys"),
    [
        ("a", "Look at {{ context.x }}", ["x"]),
        ("b", "Look at {{ context.x }} and {{-context.human.gate.label}}", ["human.gate.label"]),
        ("b", "Look at {{ goal }} and {{ context.outcome }}", []),
    ],
)
def test_a_template_reads_keys_too(node: str, text: str, keys: list[str]) -> None:
    graph = parse(inside("a [prompt=a]; b [prompt=b]; start -> a -> b -> exit"))
    broken = [
        one for one in validate(templated(graph, node, text)) if one.rule == "context_key_written"
    ]
    assert [(one.node, one.message.split("'")[1]) for one in broken] == [
        (node, key) for key in keys
    ]


@table(
    ("text", "where"),
    [
        ("start -> a -> f; f [type=for_each, items=plan.files]", []),
        ('start -> f; f [type=for_each, items="context.plan"]; f -> a', ['"context.plan"']),
        ("start -> t -> f; f [type=for_each, items=tool.output]", []),
        ("start -> f -> t; f [type=for_each, items=tool.output]", ["tool.output"]),
        ('start -> f; f [type=for_each, items=""]', []),
    ],
)
def test_for_each_items_must_be_written_before(text: str, where: list[str]) -> None:
    assert pointed_parts(NODES + text, "context_key_written") == where
