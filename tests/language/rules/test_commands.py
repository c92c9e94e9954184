"""Rules about the commands of tool stages."""

import pytest

from attractor.language.linting.lint_rule import Vocabulary
from tests.language.rules.judging import told


def test_a_tool_without_a_command_is_pointed_at() -> None:
    assert told("a [shape=parallelogram]", "tool_has_command") == ["a"]
    assert told('a [shape=parallelogram, tool_command=" "]', "tool_has_command") == ["a"]
    assert told("a [shape=parallelogram, script=make]", "tool_has_command") == []


def test_a_command_that_never_ends_is_pointed_at_within() -> None:
    assert told('a [tool_command="pytest -k \'a"]', "shell_syntax") == ["'"]
    assert told('a ["tool_hooks.pre"="ls ) x"]', "shell_syntax") == [")"]
    assert told("a [tool_command=\"pytest -k 'a'\"]", "shell_syntax") == []


def test_a_program_that_is_not_there_is_pointed_at() -> None:
    command = "cd web && nmp test && make | tee log; ./run; $TOOL"
    assert told(f'a [tool_command="{command}"]', "program_known") == ["nmp", "tee"]


def test_programs_are_not_judged_where_they_are_not_known() -> None:
    assert told("a [tool_command=nmp]", "program_known", vocabulary=Vocabulary()) == []


@pytest.mark.parametrize("name", ["tool_command", "tool_hooks.pre", "tool_hooks.post"])
def test_each_command_is_looked_at(name: str) -> None:
    assert told(f'a ["{name}"="nmp test"]', "program_known") == ["nmp"]


def test_a_program_is_asked_for_once() -> None:
    asked: list[str] = []

    def has_program(name: str) -> bool:
        asked.append(name)
        return True

    vocabulary = Vocabulary(has_program=has_program)
    text = 'a [tool_command="make; make x"]; b [tool_command=make]'
    assert told(text, "program_known", vocabulary=vocabulary) == []
    assert asked == ["make"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a [shape=parallelogram, tool_command=ls]", []),
        ("a [type=tool, shape=box, tool_command=ls]", []),
        ("a [prompt=x, tool_command=ls]", ["tool_command"]),
        ("a [shape=hexagon, tool_command=ls]", ["tool_command"]),
        ("a [prompt=x, script=ls]", ["script"]),
        ("a [type=lambda, tool_command=ls]", []),
        ("a [type=wait, tool_command=ls]", ["tool_command"]),
        ('a [prompt=x, tool_command=" "]', []),
        ("node [tool_command=ls]; a [shape=parallelogram]; b [prompt=x]", []),
        ("node [tool_command=ls]; a [prompt=x]; b [prompt=x]", ["tool_command"]),
    ],
)
def test_a_command_that_nothing_runs_is_pointed_at(text: str, where: list[str]) -> None:
    assert told(text, "command_needs_tool") == where


def test_what_a_graph_requires_is_looked_at_too() -> None:
    assert told('requires="make, nmp>=20, env:nmp"', "program_known") == ["nmp>=20"]


@pytest.mark.parametrize(
    ("requires", "where"),
    [
        ("git, node>=20, env:TOKEN", []),
        ("", []),
        ("git; node, env:T", ["git; node"]),
        ("git, evn:T, node=>3", ["evn:T", "node=>3"]),
    ],
)
def test_what_is_required_and_cannot_be_read_is_pointed_at(requires: str, where: list[str]) -> None:
    assert told(f'requires="{requires}"', "requires_syntax") == where
