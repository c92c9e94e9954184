"""Ruling L4: a shape takes precedence over a name, and a type over both."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.language import parse, validate
from attractor.language.drawing.draw import dot_text
from attractor.pipeline.simulation.simulate import Script, simulate
from tests.pipeline.projects import make_project, open_project, simulated, start
from tests.tables import table

NAMED = "digraph named { start; exit; a [prompt=x]; start -> a -> exit }"


def ends(text: str) -> tuple[list[str], list[str]]:
    graph = parse(f"digraph G {{ {text} }}")
    return [one.id for one in graph.starts], [one.id for one in graph.exits]


def rules(text: str) -> list[str | None]:
    return [one.rule for one in validate(parse(text))]


def test_L4_a_shape_wins_over_an_id() -> None:
    assert ends("start; begin [shape=Mdiamond]; end; done [shape=Msquare]") == (["begin"], ["done"])


@table("start", ["start", "Start"])
@table("exit_", ["exit", "Exit", "end", "End"])
def test_L4_without_a_shape_the_id_decides(start: str, exit_: str) -> None:
    assert ends(f"{start}; {exit_}") == ([start], [exit_])


def test_L4_other_ids_are_no_ends() -> None:
    assert ends("START; begin; EXIT; finish") == ([], [])


def test_L4_two_candidate_ids_are_an_error() -> None:
    assert "terminal_node" in rules("digraph G { start; exit; end; start -> exit }")


def test_L4_ends_by_id_are_faultless_and_need_no_prompt() -> None:
    assert rules(NAMED) == []


def test_L4_start_or_exit_of_another_type_is_missing() -> None:
    text = NAMED.replace("exit;", 'exit [shape=parallelogram, tool_command="make"];')
    assert "terminal_node" in rules(text)
    assert "start_node" in rules(NAMED.replace("start;", "start [type=codergen];"))


def test_L4_ends_by_id_are_drawn_as_ends() -> None:
    lines = dot_text(parse(NAMED)).splitlines()
    for id_, shape in {"start": "Mdiamond", "exit": "Msquare"}.items():
        line = next(one for one in lines if f'id="node-{id_}"' in one)
        assert f'class="type-{id_}"' in line
        assert f'shape="{shape}"' in line


def test_L4_simulation_rejects_outcomes_of_start_and_exit() -> None:
    graph = parse(NAMED)
    script = Script(outcomes=read_outcomes({"start": "fail"}, nodes=graph.nodes))
    with pytest.raises(UsageError, match="type start"):
        asyncio.run(simulate(graph, script))


def test_L4_a_run_works_at_the_stage_between_only(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", NAMED))
    options = simulated(opened.root, workspace="none")
    asyncio.run(start(options, opened))
    assert [file.parent.name for file in tmp_path.rglob("prompt.md")] == ["a"]
