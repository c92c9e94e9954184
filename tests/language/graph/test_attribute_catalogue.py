import pytest

from attractor.engine.prompts.preamble import PREAMBLE_LIMITS
from attractor.language.editor.completion import FIDELITY_MEANINGS
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    GRAPHVIZ_ATTRIBUTES,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.graph import FIDELITIES, Fidelity, resolve_fidelity
from attractor.language.source.text import read_word
from tests.engine.graphs import graph, node
from tests.tables import table

COUNTED = {AttributeType.INTEGER, AttributeType.NUMBER, AttributeType.DURATION}

# attractor-spec 2.5 to 2.7 and Appendix A.
SPECIFIED = {
    AttributeOwner.GRAPH: ""
    "goal label model_stylesheet default_max_retries default_max_retry retry_target "
    "fallback_retry_target default_fidelity stack.child_dotfile stack.child_workdir "
    "tool_hooks.pre tool_hooks.post thread_id",
    AttributeOwner.NODE: ""
    "label shape type prompt max_retries goal_gate retry_target fallback_retry_target "
    "fidelity thread_id class timeout llm_model llm_provider reasoning_effort auto_status "
    "allow_partial tool_hooks.pre tool_hooks.post tool_command human.default_choice join_policy "
    "max_parallel manager.poll_interval manager.max_cycles manager.stop_condition manager.actions "
    "stack.child_autostart",
    AttributeOwner.EDGE: "label condition weight fidelity thread_id loop_restart",
}

# Beyond it, ENGINE.md.
RULED = {
    AttributeOwner.GRAPH: ""
    "model provider llm_model llm_provider max_goal_gate_redirects max_node_visits "
    "on_failure require_verdict max_restarts requires inputs max_cost_usd max_tokens max_duration "
    "outputs stall_timeout max_same_failures",
    AttributeOwner.NODE: ""
    "script model provider max_visits on_failure require_verdict retry_policy "
    "retry_from if_interrupted k isolation merge file duration until backend agent "
    "items inputs manager.steer_cooldown stall_timeout max_same_failures",
    AttributeOwner.EDGE: "",
}


@table("place", list(AttributeOwner))
def test_catalogue_has_every_attribute_of_the_specification_and_rulings(
    place: AttributeOwner,
) -> None:
    listed = {row.name for row in ATTRIBUTES.values() if place in row.places}
    assert {*SPECIFIED[place].split(), *RULED[place].split()} <= listed


@pytest.mark.parametrize("row", list(ATTRIBUTES.values()), ids=lambda row: row.name)
def test_each_row_of_the_catalogue_is_complete(row: KnownAttribute) -> None:
    assert row.sentence.endswith(".")
    assert row.places
    assert row.name not in GRAPHVIZ_ATTRIBUTES
    assert row.type is AttributeType.STRING or not row.choices
    assert not row.alias_of or row.alias_of in ATTRIBUTES
    assert row.minimum is None or row.type in COUNTED


@table(
    ("name", "default"),
    [
        ("default_max_retries", 0),
        ("max_goal_gate_redirects", 10),
        ("max_node_visits", 100),
        ("max_restarts", 5),
        ("weight", 0),
        ("goal_gate", False),
        ("auto_status", False),
        ("allow_partial", False),
        ("loop_restart", False),
    ],
)
def test_the_defaults_of_the_texts(name: str, default: object) -> None:
    assert read_word(ATTRIBUTES[name].default).plain == default


def test_only_weights_may_be_less_than_nothing() -> None:
    unbounded = [
        row.name
        for row in ATTRIBUTES.values()
        if row.type in COUNTED and row.minimum is None and not row.alias_of
    ]
    assert unbounded == ["weight"]


@table(
    ("of_edge", "of_node", "of_graph", "resolved"),
    [
        ("full", "compact", "truncate", Fidelity.FULL),
        ("", "summary:low", "truncate", Fidelity.SUMMARY_LOW),
        ("", "", "truncate", Fidelity.TRUNCATE),
        ("", "", "", Fidelity.COMPACT),
        ("fulll", "full", "full", Fidelity.COMPACT),
    ],
)
def test_nearest_fidelity_applies_and_an_unknown_one_is_the_default(
    of_edge: str, of_node: str, of_graph: str, resolved: Fidelity
) -> None:
    work = node("work", fidelity=of_node)
    assert resolve_fidelity(graph([work], [], default_fidelity=of_graph), work, of_edge) is resolved


def test_there_is_one_table_of_fidelities() -> None:
    assert set(FIDELITY_MEANINGS) == set(FIDELITIES) == set(Fidelity)
    assert set(PREAMBLE_LIMITS) == set(Fidelity) - {Fidelity.FULL}
