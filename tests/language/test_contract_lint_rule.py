"""Contract of lint rules."""

import inspect
import textwrap
from importlib import import_module

from attractor.engine.questions.edge_labels import accelerator
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.linting.lint_rule import BuiltInRule, LintRule, Vocabulary, rule_registry
from attractor.language.reading import read_graph
from attractor.language.source.syntax_tree import Attributes
from attractor.language.source.text import Source
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE
from tests.tables import table

RULES: dict[str, BuiltInRule] = dict(rule_registry())
rules = table("name", list(RULES))
TYPES = Vocabulary(
    types={"start", "exit", "codergen", "wait.human", "conditional"},
    backends={"agent"},
    agents={"reviewer"},
    providers={"openai"},
    models={"gpt-5.2"},
    has_program=lambda name: name == "ls",
    shell_error=lambda command: "" if command.count("'") % 2 == 0 else "unclosed quote",
    accelerator=accelerator,
)
MESS = """digraph G {
    größe = 1; model_stylesheet = "* {"; default_max_retries = many
    s [shape=Mdiamond]; s2 [shape=Mdiamond, promt="🐍"]; e [shape=Msquare]
    a [goal_gate=true, type="no.such", retry_target=nowhere, fidelity=no, max_retries=x]
    A; alone
    s -> a -> b [condition="x > 3 &&", fidelity=huge]; e -> a -> s; a -> e
}"""


def examples(name: str) -> list[str]:
    """Return the two pipelines on a rule's page."""
    page = inspect.getdoc(import_module(f"attractor.language.rules.{name}")) or ""
    parts = [page.partition(f"{heading}:\n\n")[2] for heading in ("Example", "Instead")]
    return [textwrap.dedent(part.partition("\n\n")[0]) for part in parts]


def graph_of(text: str) -> Graph:
    graph = read_graph(Source(text)).graph
    assert graph is not None
    return graph


TEXTS = [
    BRANCH,
    HUMAN_GATE,
    SMOKE,
    MESS,
    "digraph G {}",
    *(t for one in RULES for t in examples(one)),
]
MADE = [
    Graph("", {}),
    Graph("G", {"": Node("")}, (Edge("", "no such"), Edge("x" * 10_000, ""))),
    Graph("G", {"a": Node("a", Attributes.of({"type": "é", "timeout": "soon"}))}),
]
GRAPHS = [*map(graph_of, dict.fromkeys(TEXTS)), *MADE]


def look(rule: LintRule, graph: Graph, vocabulary: Vocabulary = TYPES) -> list[Diagnostic]:
    return list(rule.apply(graph, vocabulary))


def photograph(graph: Graph) -> str:
    return repr((graph.name, graph.nodes, graph.edges, graph.attributes, graph.span))


@rules
def test_diagnostics_are_complete(name: str) -> None:
    for graph in GRAPHS:
        for one in look(RULES[name], graph):
            assert one.message
            assert one.message.strip() == one.message
            assert "\n" not in one.message
            assert one.severity is RULES[name].severity
            # The caller adds the name of the file.
            assert one.rule in ("", name)


@rules
def test_rules_are_pure(name: str) -> None:
    for graph in GRAPHS:
        before = photograph(graph)
        first = look(RULES[name], graph)
        assert look(RULES[name], graph) == first
        assert photograph(graph) == before


@rules
def test_diagnostics_point_into_the_text(name: str) -> None:
    for text in dict.fromkeys(TEXTS):
        lines = text.split("\n")
        for one in look(RULES[name], graph_of(text)):
            assert one.span.is_somewhere
            assert 1 <= one.span.line <= one.span.end_line <= len(lines)
            assert 1 <= one.span.column <= len(lines[one.span.line - 1]) + 1
            assert 1 <= one.span.end_column <= len(lines[one.span.end_line - 1]) + 1


@rules
def test_rules_work_without_a_vocabulary(name: str) -> None:
    found = [one for graph in GRAPHS for one in look(RULES[name], graph, Vocabulary())]
    known = [one for graph in GRAPHS for one in look(RULES[name], graph)]
    assert len(found) <= len(known)


def many(count: int) -> Graph:
    """Return a long chain with a mistake in every node and edge."""
    attributes = Attributes.of({"promt": "x", "type": "no.such", "retry_target": "nowhere"})
    broken = Attributes.of({"condition": "x >", "fidelity": "huge"})
    nodes = {f"n{i}": Node(f"n{i}", attributes) for i in range(count)}
    return Graph("G", nodes, tuple(Edge(f"n{i}", f"n{i + 1}", broken) for i in range(count)))


@rules
def test_diagnostics_grow_linearly(name: str) -> None:
    # A few findings about the whole graph are allowed.
    few, more = (len(look(RULES[name], many(count))) for count in (20, 200))
    assert more <= 10 * few + 1
