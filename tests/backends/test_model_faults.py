"""What the look before the first stage finds of models, providers and their keys."""

import asyncio
from collections.abc import Mapping

import pytest

from attractor.backends.model_choice import ModelDefaults
from attractor.backends.model_faults import find_model_faults
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Node
from attractor.language.preparation.prepare import transform_all
from attractor.language.source.parse import read_graph
from attractor.language.source.text import Source

BOTH = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}


def nodes_of(*lines: str) -> list[Node]:
    """Return the nodes of a pipeline; the first line given is its second."""
    graph, found, _ = read_graph(Source("\n".join(["digraph d {", *lines, "}"]), "p.dot"))
    assert graph is not None, found
    return list(transform_all(graph).nodes.values())


def faults(
    nodes: list[Node],
    environ: Mapping[str, str] = BOTH,
    *,
    model: str = "",
    provider: str = "",
) -> list[Diagnostic]:
    return asyncio.run(find_model_faults(nodes, ModelDefaults(model, provider), environ))


def told(*args: object, **more: object) -> list[tuple[int, str, str]]:
    return [(one.span.line, one.message, one.fix) for one in faults(*args, **more)]  # pyright: ignore[reportArgumentType]


def test_nodes_whose_model_and_key_are_there_have_no_fault() -> None:
    nodes = nodes_of("a [llm_model=x, llm_provider=openai]", 'b [llm_model="claude-1"]', "c")
    assert faults(nodes, model="gpt-5") == []
    assert faults([]) == []


def test_each_node_without_a_model_is_named_with_its_line() -> None:
    remedy = "set llm_model on the node or on the graph, or give --model"
    words = "llm_model: nothing says which model does the stage"
    assert told(nodes_of("a", "b")) == [
        (2, f"node a: {words}", remedy),
        (3, f"node b: {words}", remedy),
    ]


def test_a_default_model_of_another_provider_is_no_model() -> None:
    [(line, message, _)] = told(nodes_of("a [llm_provider=anthropic]"), model="gpt-5")
    assert (line, message) == (
        2,
        "node a: llm_model: nothing says which model of anthropic does the stage",
    )


def test_a_model_that_gives_no_provider_away_needs_one() -> None:
    [(line, message, remedy)] = told(nodes_of("", "a [llm_model=mine]"))
    words = "llm_provider: nothing says which provider serves the model 'mine'"
    assert (line, message) == (3, f"node a: {words}")
    assert "llm_provider" in remedy
    assert "--provider" in remedy


def test_an_unknown_provider_brings_the_one_that_was_meant() -> None:
    assert told(nodes_of("a [llm_model=x, llm_provider=opnai]")) == [
        (2, "node a: llm_provider=opnai: unknown provider 'opnai'", "did you mean openai?")
    ]


def test_a_provider_for_which_agents_have_no_profile_is_no_unknown_one() -> None:
    [(_, message, remedy)] = told(nodes_of("a [llm_model=x, llm_provider=groq]"))
    words = "agents have no profile for the models of 'groq'"
    assert message == f"node a: llm_provider=groq: {words}"
    assert remedy.startswith("use a model of one of: anthropic, ")


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": " "}])
def test_a_provider_without_its_key_brings_the_variable(environ: dict[str, str]) -> None:
    words = "the key of the provider 'openai' is not set"
    assert told(nodes_of('a [llm_model="gpt-5"]'), environ) == [
        (2, f"node a: llm_model=gpt-5: {words}", "set OPENAI_API_KEY")
    ]


def test_nodes_that_get_their_provider_from_one_place_are_told_together() -> None:
    nodes = nodes_of('llm_model="claude-1"', *"abcdefg", 'own [llm_model="gpt-5"]')
    [whole, own] = told(nodes, {})
    assert whole[:2] == (
        2,
        "nodes a, b, c, d, e and 2 more: llm_model=claude-1: "
        "the key of the provider 'anthropic' is not set",
    )
    assert own[0] == 10
    [one] = told(nodes_of("a", "b"), {}, model="gpt-5")
    assert one[1].startswith("nodes a, b: --provider or --model: the key of")
    [one] = told(nodes_of("a", "b"), model="mine", provider="opnai")
    assert one == (2, "nodes a, b: --provider or --model: unknown provider 'opnai'", one[2])


def test_all_faults_are_found_at_once() -> None:
    nodes = nodes_of("a", "b [llm_model=x, llm_provider=opnai]", 'c [llm_model="gpt-5"]')
    assert [one.node for one in faults(nodes, {})] == ["a", "b", "c"]
