"""What is proposed at the cursor."""

from attractor.language.attributes import ATTRIBUTES, FIDELITIES, Place
from attractor.language.editing.completion import described, propose
from attractor.language.editing.cursor import cursor_at
from attractor.language.vocabulary import Vocabulary

EFFORTS = ATTRIBUTES["reasoning_effort"].choices
KNOWN = Vocabulary(types={"tool", "codergen"}, models={"gpt-5.2"}, providers={"openai"})


def proposed(text: str) -> list[str]:
    cursor = cursor_at(text.replace("|", ""), text.index("|"))
    return [one.text for one in propose(cursor, ["plan", "the end"], KNOWN)]


def test_keys_are_those_of_what_the_list_stands_on() -> None:
    on_node, on_edge = proposed("digraph G { a [|"), proposed("digraph G { a -> b [|")
    assert {"prompt", "shape", "goal_gate"} <= set(on_node)
    assert {"condition", "weight"} <= set(on_edge)
    assert "prompt" not in on_edge
    assert "default_max_retry" not in proposed("digraph G { graph [|")
    assert all(Place.EDGE in ATTRIBUTES[key].places for key in on_edge)


def test_values_are_those_of_the_key() -> None:
    assert "hexagon" in proposed("digraph G { a [shape=|")
    assert proposed("digraph G { a [type=|") == ["codergen", "tool"]
    assert proposed("digraph G { a [goal_gate=|") == ["true", "false"]
    assert proposed("digraph G { a [llm_model=|") == ['"gpt-5.2"']
    assert proposed('digraph G { a [llm_model="|') == ["gpt-5.2"]
    assert proposed('digraph G { a -> b [condition="|')[0] == "outcome=success"
    assert proposed("digraph G { a [retry_policy=|")[0] == "none"
    assert proposed("digraph G { a [reasoning_effort=|") == list(EFFORTS)
    assert proposed('digraph G { a [fidelity="|') == list(FIDELITIES)
    assert proposed("digraph G { a [prompt=|") == []


def test_nodes_are_proposed_where_a_node_is_named() -> None:
    assert proposed("digraph G { a -> |") == ["plan", '"the end"']
    assert proposed("digraph G { a [retry_target=|") == ["plan", '"the end"']
    assert {"plan", "node", "goal"} <= set(proposed("digraph G { |"))


def test_every_attribute_can_be_described() -> None:
    assert all(row.sentence in described(row) for row in ATTRIBUTES.values())
