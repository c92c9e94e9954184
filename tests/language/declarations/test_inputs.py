"""Declared inputs, and secrets: the stages that request them, and their variables."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.config.user_folders import INPUT_PREFIX
from attractor.engine.storage.secrets import SHORTEST
from attractor.language.declarations.inputs import (
    SHORTEST_SECRET,
    Input,
    asked_secrets,
    declared_inputs,
    fault_of_secret,
    find_secret_mistakes,
    is_of_input,
    read_inputs,
    resolve_inputs,
    secrets_from,
    variable_of,
)
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import quoted
from tests.growing import times_more
from tests.tables import table


def named(text: str) -> list[tuple[str, str, str | None]]:
    declared = read_inputs(text)
    assert declared.mistakes == ()
    return [(one.name, one.type, one.default) for one in declared.inputs]


@table(
    ("text", "inputs"),
    [
        ("", []),
        (" ", []),
        ("ticket", [("ticket", "str", None)]),
        (
            "ticket, branch=main, count:int=3, token:secret",
            [
                ("ticket", "str", None),
                ("branch", "str", "main"),
                ("count", "int", "3"),
                ("token", "secret", None),
            ],
        ),
        ("a:bool = true ,b : float=-0.5", [("a", "bool", "true"), ("b", "float", "-0.5")]),
        ("a=", [("a", "str", "")]),
        ("a=two words,b", [("a", "str", "two words"), ("b", "str", None)]),
        (r'a="x, \"y\"", b', [("a", "str", 'x, "y"'), ("b", "str", None)]),
        ("a=b=c:d", [("a", "str", "b=c:d")]),
        ("a,", [("a", "str", None)]),
    ],
)
def test_declarations_are_read(text: str, inputs: list[tuple[str, str, str | None]]) -> None:
    assert named(text) == inputs


@table(
    ("text", "message", "place"),
    [
        ("a,,b", "missing name of an input", ""),
        ("=b", "missing name of an input", ""),
        ("a-b", "invalid input name 'a-b'", "a-b"),
        ("3", "invalid input name '3'", "3"),
        ("a, b, a=3", "duplicate input a", "a"),
        ("a:integer", "unknown input type 'integer'", "integer"),
        ("a:", "unknown input type ''", ""),
        ("a:int=x", "'x' is not an integer", "x"),
        ("a:float=1e3", "'1e3' is not a number", "1e3"),
        ("a:bool=yes", "'yes' is not true or false", "yes"),
        ("a_b:secret, A_B:secret", "the secrets a_b and A_B have the same variable", "A_B"),
        ("a:secret=x", "the secret a must not have a default", "x"),
        ("a b", "unexpected 'b'", "b"),
        ('a="b" c', "unexpected 'c'", "c"),
        ('a="b', "unexpected '\"b'", '"b'),
    ],
)
def test_invalid_declaration_is_reported_with_its_position(
    text: str, message: str, place: str
) -> None:
    declared = read_inputs(f"x, {text}, y")
    (mistake,) = declared.mistakes
    assert mistake.message == message
    assert mistake.hint
    assert f"x, {text}, y"[mistake.start : mistake.end] == place
    assert {"x", "y"} <= {one.name for one in declared.inputs}


def test_all_mistakes_are_found_with_their_input() -> None:
    declared = read_inputs("a:int=x, b:strng, c, c")
    assert len(declared.mistakes) == 3
    assert [one.hint for one in declared.mistakes][1] == "did you mean str?"
    assert [one.name for one in declared.inputs] == ["c"]
    (mistake,) = read_inputs("a, tok:secret=s").mistakes
    assert mistake.name == "tok"


@given(st.text() | st.text('ab:=," \\x', max_size=12))
def test_any_text_declares_inputs_or_has_mistakes_within_it(text: str) -> None:
    for one in read_inputs(text).mistakes:
        assert 0 <= one.start <= one.end <= len(text)
        assert one.hint


@given(st.text())
def test_any_default_can_be_quoted(text: str) -> None:
    assert named(f"a={quoted(text)}, b") == [("a", "str", text), ("b", "str", None)]


@given(st.text('ab:=, "', max_size=12))
def test_written_declaration_parses_to_itself(text: str) -> None:
    for one in read_inputs(text).inputs:
        assert read_inputs(one.written).inputs == (one,)


def test_a_pipeline_declares_its_inputs() -> None:
    graph = parse('digraph G { inputs="ticket, token:secret" }')
    assert [(one.name, one.is_secret) for one in declared_inputs(graph)] == [
        ("ticket", False),
        ("token", True),
    ]
    assert list(declared_inputs(parse("digraph G { }"))) == []


DECLARED = read_inputs("ticket, branch=main, count:int=3, dry:bool=false, token:secret").inputs


def test_inputs_are_given_values_and_defaults() -> None:
    given = {"ticket": "T-1", "count": "5", "token": "s3cret"}
    assert resolve_inputs(DECLARED, given) == {
        "ticket": "T-1",
        "branch": "main",
        "count": "5",
        "dry": "false",
        "token": "s3cret",
    }
    assert resolve_inputs([], {}) == {}
    with pytest.raises(UsageError, match="unknown input 'a'") as raised:
        resolve_inputs([], {"a": "1"})
    assert raised.value.hint == "known: none"
    assert resolve_inputs([Input("a")], {"a": ""}) == {"a": ""}


def test_all_input_errors_are_reported_together() -> None:
    with pytest.raises(UsageError) as raised:
        resolve_inputs(DECLARED, {"tikcet": "T-1", "count": "many", "dry": "yes", "zzzzzz": "1"})
    assert raised.value.message == (
        "unknown input 'tikcet'; unknown input 'zzzzzz'; missing input ticket; "
        "invalid value 'many' of the input count; "
        "invalid value 'yes' of the input dry"
    )
    assert raised.value.hint == (
        "did you mean ticket?; known: ticket, branch, count, dry, token; "
        "add --input ticket=VALUE; count must be an integer; dry must be true or false"
    )


def test_each_of_many_declarations_is_read() -> None:
    def work(many: int) -> Callable[[], object]:
        text = " " * 10 * many + ", ".join(f"a{one}" for one in range(many))
        return lambda: read_inputs(text)

    assert len(read_inputs(", ".join(f"a{one}" for one in range(1_000))).inputs) == 1_000
    assert times_more(work, few=100) < 15


def mistakes(node: str, inputs: str = "token:secret, branch=main") -> list[tuple[str, str]]:
    graph = parse(f'digraph G {{ inputs="{inputs}"; push [{node}] }}')
    return [(one.message, one.fix) for one in find_secret_mistakes(graph)]


def test_secrets_come_from_variables() -> None:
    assert variable_of("token") == "ATTRACTOR_INPUT_TOKEN"
    assert is_of_input("ATTRACTOR_INPUT_TOKEN")
    assert not is_of_input("ATTRACTOR_TOKEN")
    assert variable_of("").startswith(INPUT_PREFIX)
    declared = read_inputs("token:secret, key:secret, branch=main").inputs
    environ = {
        "ATTRACTOR_INPUT_TOKEN": "t",
        "ATTRACTOR_INPUT_KEY": "",
        "ATTRACTOR_INPUT_BRANCH": "b",
    }
    assert secrets_from(declared, environ) == {"token": "t"}
    assert SHORTEST_SECRET == SHORTEST
    assert fault_of_secret("x" * SHORTEST) == ""
    assert "shorter" in fault_of_secret("x" * (SHORTEST - 1))
    assert "shorter" in fault_of_secret(" " * 20)
    assert "NUL" in fault_of_secret("x" * 20 + "\0")


def test_stages_ask_for_secrets() -> None:
    graph = parse('digraph G { push [secrets=" token, key  other"]; none }')
    assert asked_secrets(graph.nodes["push"]) == ["token", "key", "other"]
    assert asked_secrets(graph.nodes["none"]) == []
    assert mistakes('shape=parallelogram, secrets="token"') == []
    assert mistakes('shape=parallelogram, secrets=""') == []
    ((message, fix),) = mistakes('secrets="token"')
    assert message == "'push' uses secrets, but its type is codergen"
    assert "tool stage" in fix


@table(
    ("asked", "fix"),
    [
        ("tokn", "did you mean token?"),
        ("branch", 'declare it on the graph: inputs="branch:secret"'),
    ],
)
def test_undeclared_secret_is_rejected(asked: str, fix: str) -> None:
    message = f"'push' uses the undeclared secret '{asked}'"
    assert mistakes(f'shape=parallelogram, secrets="{asked}"') == [(message, fix)]
