from collections.abc import Mapping

import pytest

from attractor.engine.models_asked import Asked, speaks_with_a_model, what_is_asked
from attractor.handlers.registry import handler_registry
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import node as drawn


@pytest.mark.parametrize(
    ("attributes", "asked"),
    [
        ({"prompt": "Do it."}, Asked.A_TASK),
        ({"type": "prompt", "prompt": "Say it."}, Asked.AN_ANSWER),
        ({"type": "tool", "tool_command": "true"}, Asked.NOTHING),
        ({"type": "parallel.fan_in"}, Asked.NOTHING),
        ({"type": "parallel.fan_in", "prompt": " "}, Asked.NOTHING),
        ({"type": "parallel.fan_in", "prompt": "Which is best?"}, Asked.AN_ANSWER),
        ({"type": "stack.manager_loop", "prompt": "Lead it."}, Asked.NOTHING),
        ({"type": "stack.manager_loop", "manager.actions": "observe,steer"}, Asked.NOTHING),
        (
            {"type": "stack.manager_loop", "manager.actions": "steer", "prompt": "Lead it."},
            Asked.ADVICE,
        ),
        ({"type": "of.somebody"}, Asked.ANYTHING),
    ],
)
def test_what_a_node_asks_for_follows_from_its_type_and_prompt(
    attributes: Mapping[str, Plain], asked: Asked
) -> None:
    assert what_is_asked(drawn("it", **attributes)) is asked


def test_a_node_may_be_executed_as_another_type() -> None:
    assert what_is_asked(drawn("it", type="of.somebody"), "tool") is Asked.NOTHING


def test_who_asks_beside_its_stage_takes_no_turn_in_a_conversation() -> None:
    assert speaks_with_a_model(drawn("it", prompt="Do it."))
    assert speaks_with_a_model(drawn("it", type="of.somebody"))
    assert not speaks_with_a_model(drawn("it", type="tool"))
    assert not speaks_with_a_model(drawn("it", type="parallel.fan_in", prompt="Which?"))


def test_of_every_type_that_is_shipped_it_is_known() -> None:
    types = list(handler_registry())
    assert {
        type_ for type_ in types if what_is_asked(drawn("it"), type_) is Asked.ANYTHING
    } == set()
