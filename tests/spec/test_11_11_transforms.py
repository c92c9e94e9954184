"""Definition of Done 11.11: transforms."""

from dataclasses import replace
from pathlib import Path

from attractor.language import Graph, parse, prepare
from attractor.language.preparation.prepare import TransformContext
from attractor.language.source.syntax_tree import Value
from attractor.language.transforms.variable_expansion import VariableExpansion
from tests.spec.runs import ScriptedBackend, run

TEXT = 'digraph G { goal="Ship it"; start; a [prompt="Do: $goal"]; exit; start -> a -> exit }'


class WithoutNodes:
    """Removes the nodes whose ids begin with a letter."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def apply(self, graph: Graph) -> Graph:
        kept = {id_: node for id_, node in graph.nodes.items() if not id_.startswith(self.letter)}
        return replace(graph, nodes=kept, name=graph.name + self.letter)


def test_11_11_a_transform_changes_the_graph_between_parsing_and_validation() -> None:
    prepared = prepare(TEXT, transforms=[WithoutNodes("s")])
    assert "start_node" in {one.rule for one in prepared.diagnostics}
    assert prepare(TEXT).diagnostics == ()


def test_11_11_a_transform_takes_a_graph_and_returns_a_graph() -> None:
    graph = parse(TEXT)
    assert isinstance(VariableExpansion(TransformContext()).apply(graph), Graph)
    assert graph == parse(TEXT)


def test_11_11_the_goal_is_put_into_prompts() -> None:
    graph = prepare(TEXT).graph
    assert graph is not None
    assert graph.nodes["a"].prompt == "Do: Ship it"


def test_11_11_custom_transforms_run_in_order() -> None:
    graph = prepare(TEXT, transforms=[WithoutNodes("x"), WithoutNodes("y")]).graph
    assert graph is not None
    assert graph.name == "Gxy"


class Adding:
    """Appends words to every prompt."""

    def __init__(self, words: str) -> None:
        self.words = words

    def apply(self, graph: Graph) -> Graph:
        nodes = {
            id_: replace(
                node,
                attributes=node.attributes.replaced("prompt", Value.of(node.prompt + self.words)),
            )
            for id_, node in graph.nodes.items()
            if node.prompt
        }
        return replace(graph, nodes={**graph.nodes, **nodes})


def test_11_11_a_run_goes_through_custom_transforms_after_the_built_in_ones(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    run(tmp_path, TEXT, backend=backend, transforms=[Adding(" soon"), Adding(", too")])
    assert backend.prompts == ["Do: Ship it soon, too"]
