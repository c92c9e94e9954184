"""A command that the system would not take is found before a run begins."""

import pytest

from attractor.language.reading import parse
from attractor.pipeline.preflight.requirements import LONGEST, find_long_commands


def found(node: str, *, graph: str = "") -> list[tuple[str, str]]:
    text = f"digraph x {{ {graph} start [shape=Mdiamond]; {node} start -> work }}"
    return [(one.message, one.fix) for one in find_long_commands(parse(text))]


@pytest.mark.parametrize("key", ["tool_command", "script", "tool_hooks.pre", "tool_hooks.post"])
def test_each_kind_of_command_is_measured(key: str) -> None:
    assert found(f'work [{key}="{"x" * LONGEST}"];') == []
    [(message, fix)] = found(f'work [{key}="{"x" * (LONGEST + 1)}"];')
    assert message == f"work: {key} has {LONGEST + 1} bytes, and a shell takes {LONGEST}"
    assert "script" in fix


def test_bytes_count_and_not_letters() -> None:
    assert found(f'work [tool_command="{"é" * (LONGEST // 2)}"];') == []
    assert len(found(f'work [tool_command="{"é" * (LONGEST // 2 + 1)}"];')) == 1


def test_a_command_of_the_graph_is_told_as_the_graphs() -> None:
    [(message, _)] = found("work;", graph=f'tool_hooks.pre="{"x" * (LONGEST + 1)}";')
    assert message.startswith("the graph: tool_hooks.pre has")


def test_other_texts_may_be_as_long_as_they_like() -> None:
    assert found(f'work [prompt="{"x" * (LONGEST + 1)}"];') == []
