"""Which stages ask for secrets, and by which variables they are known."""

import pytest

from attractor.config.user_folders import INPUT_PREFIX
from attractor.engine.secrets import SHORTEST
from attractor.language.inputs import read_inputs
from attractor.language.parsing import parse
from attractor.language.secret_inputs import (
    SHORTEST_SECRET,
    asked_secrets,
    fault_of_secret,
    find_secret_mistakes,
    is_of_input,
    secrets_from,
    variable_of,
)


def mistakes(node: str, inputs: str = "token:secret, branch=main") -> list[tuple[str, str]]:
    graph = parse(f'digraph G {{ inputs="{inputs}"; push [{node}] }}')
    return [(one.message, one.fix) for one in find_secret_mistakes(graph)]


def test_a_secret_has_a_variable() -> None:
    assert variable_of("token") == "ATTRACTOR_INPUT_TOKEN"
    assert is_of_input("ATTRACTOR_INPUT_TOKEN")
    assert not is_of_input("ATTRACTOR_TOKEN")
    assert variable_of("").startswith(INPUT_PREFIX)


def test_variables_give_secrets_alone() -> None:
    declared = read_inputs("token:secret, key:secret, branch=main").inputs
    environ = {
        "ATTRACTOR_INPUT_TOKEN": "t",
        "ATTRACTOR_INPUT_KEY": "",
        "ATTRACTOR_INPUT_BRANCH": "b",
    }
    assert secrets_from(declared, environ) == {"token": "t"}


def test_a_stage_asks_by_name() -> None:
    graph = parse('digraph G { push [secrets=" token, key  other"]; none }')
    assert asked_secrets(graph.nodes["push"]) == ["token", "key", "other"]
    assert asked_secrets(graph.nodes["none"]) == []


def test_a_tool_stage_may_have_what_is_declared() -> None:
    assert mistakes('shape=parallelogram, secrets="token"') == []
    assert mistakes('shape=parallelogram, secrets=""') == []


def test_another_stage_gets_none() -> None:
    ((message, fix),) = mistakes('secrets="token"')
    assert message == "'push' asks for secrets, and its type is codergen"
    assert "tool stage" in fix


@pytest.mark.parametrize(
    ("asked", "fix"),
    [
        ("tokn", "did you mean token?"),
        ("branch", 'declare it on the graph: inputs="branch:secret"'),
    ],
)
def test_what_is_no_secret_cannot_be_asked_for(asked: str, fix: str) -> None:
    told = f"'push' asks for the secret '{asked}', which is not declared"
    assert mistakes(f'shape=parallelogram, secrets="{asked}"') == [(told, fix)]


def test_what_could_not_be_replaced_is_no_secret() -> None:
    assert SHORTEST_SECRET == SHORTEST
    assert fault_of_secret("x" * SHORTEST) == ""
    assert "shorter" in fault_of_secret("x" * (SHORTEST - 1))
    assert "shorter" in fault_of_secret(" " * 20)
    assert "NUL" in fault_of_secret("x" * 20 + "\0")
