"""Ruling L8: declared inputs, passed to each run."""

import pytest

from attractor.base.errors import UsageError
from attractor.language import Prepared, parse, prepare
from attractor.language.declarations.inputs import declared_inputs, resolve_inputs

DECLARED = "ticket, branch=main, count:int=3, token:secret"
GIVEN = {"ticket": "T-1 $goal", "token": "s3cret"}


def pipeline(prompt: str) -> str:
    return f"""digraph G {{
        goal   = "Ship"
        inputs = "{DECLARED}"
        start [shape=Mdiamond]
        work  [prompt="{prompt}"]
        exit  [shape=Msquare]
        start -> work -> exit
    }}"""


def prepared(prompt: str) -> Prepared:
    text = pipeline(prompt)
    return prepare(text, inputs=resolve_inputs(declared_inputs(parse(text)), GIVEN))


def test_L8_goal_and_inputs_are_replaced_once_and_nothing_else_is() -> None:
    made = prepared("$goal: ${inputs.ticket} on ${inputs.branch}, ${inputs.count} times, $HOME")
    assert made.graph is not None
    assert made.graph.nodes["work"].prompt == "Ship: T-1 $goal on main, 3 times, $HOME"
    assert made.is_sound


def test_L8_an_unknown_input_is_an_error() -> None:
    for made in (prepared("${inputs.tikcet}"), prepare(pipeline("${inputs.tikcet}"))):
        (one,) = (one for one in made.diagnostics if one.is_error)
        assert (one.rule, one.node, one.fix) == ("known_input", "work", "did you mean ticket?")


def test_L8_missing_input_is_reported_before_the_first_stage() -> None:
    with pytest.raises(UsageError, match="missing input ticket"):
        resolve_inputs(declared_inputs(parse(pipeline("x"))), {"token": "x"})


def test_L8_a_secret_never_reaches_a_prompt() -> None:
    made = prepared("Use ${inputs.token}")
    assert made.graph is not None
    assert "s3cret" not in made.graph.nodes["work"].prompt
    assert "known_input" in [one.rule for one in made.diagnostics if one.is_error]
