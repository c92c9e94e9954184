"""Ruling R14: preflight of child pipelines."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, UsageError
from attractor.language.diagnostics import NotRunnable
from attractor.records.request import RunRequest
from tests.pipeline.projects import git, make_project, open_project, simulated, start
from tests.tables import table

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
INNER = f'digraph inner {{ {ENDS}; make [prompt="Make it"]\nstart -> make -> exit }}'


def outer(node: str, of_graph: str = "") -> str:
    """Return a pipeline whose only stage is in its third line."""
    return f"digraph outer {{ {of_graph}\n{ENDS}\nit [{node}]\nstart -> it -> exit }}"


def runs(more: str = "", of_graph: str = "") -> str:
    return outer(f'type="pipeline", file="inner.dot"{more}', of_graph)


def refused(tmp_path: Path, text: str, backend: str = "simulate", **files: str) -> UsageError:
    """Return the reason of a refusal, after a check that nothing was created."""
    named = {f"{name}.dot": one for name, one in files.items()}
    project = make_project(tmp_path / "project", text, **named)
    options = RunRequest(file=project / "pipeline.dot", sandbox="none", backend=backend)
    with pytest.raises(UsageError) as caught:
        asyncio.run(start(options, open_project(project)))
    assert caught.value.exit_code is ExitCode.USAGE
    assert not (tmp_path / "state").exists()
    assert git(project, "status", "--porcelain", "--ignored") == ""
    return caught.value


def text_of(error: UsageError) -> str:
    return f"{error.message} ({error.hint})"


@table("text", [None, "digraph {", INNER.replace("-> exit", "")])
def test_R14_missing_or_invalid_child_is_reported(tmp_path: Path, text: str | None) -> None:
    files = {} if text is None else {"inner": text}
    error = refused(tmp_path, runs(), **files)
    assert f"{tmp_path / 'project' / 'pipeline.dot'}:3" in text_of(error)
    assert "inner.dot" in text_of(error)


@table(
    ("inputs", "said"),
    [
        ("", "inner.dot needs the input ticket"),
        ("ticket=1, branc=main", "inner.dot has no input 'branc' (did you mean branch?)"),
        ("ticket=1, count=many", "invalid value 'many' of the input count (its type is int)"),
        ("ticket=inputs.tickt", "this pipeline has no input 'tickt' (known: none)"),
        ("ticket=1, ticket=2", "inputs: duplicate input ticket"),
    ],
)
def test_R14_invalid_child_inputs_are_reported(tmp_path: Path, inputs: str, said: str) -> None:
    inner = INNER.replace("inner {", 'inner { inputs="ticket, branch=main, count:int=3"\n')
    given = f', inputs="{inputs}"' if inputs else ""
    error = refused(tmp_path, runs(given), inner=inner)
    assert isinstance(error, NotRunnable)
    assert f"pipeline.dot:3: node it: {said}" in text_of(error)


def test_R14_unknown_input_values_are_not_checked(tmp_path: Path) -> None:
    inner = INNER.replace("inner {", 'inner { inputs="ticket, count:int=3"\n')
    given = ', inputs="ticket=inputs.id, count=context.count"'
    text = runs(given, of_graph='inputs="id=A-1"')
    project = make_project(tmp_path / "project", text, **{"inner.dot": inner})
    options = simulated(project)
    result = asyncio.run(start(options, open_project(project)))
    # The run started: a missing context value is a failure of the stage.
    assert result.exit_code is ExitCode.FAILED
    assert "the context has no count for the input count" in result.reason


def test_R14_faults_of_nested_children_are_reported_together(tmp_path: Path) -> None:
    middle = outer('type="pipeline", file="inner.dot", llm_model=x').replace(
        "start -> it", 'more [prompt="More", llm_model="claude-1"]\nstart -> more -> it'
    )
    inner = INNER.replace('prompt="Make it"', 'prompt="Make it", llm_provider=opnai')
    text = outer('type="pipeline", file="middle.dot"')
    error = refused(tmp_path, text, "agent", middle=middle, inner=inner)
    project = tmp_path / "project"
    lines = error.message.splitlines()
    assert lines[0] == "outer cannot be run:"
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        f"{project / 'middle.dot'}:4",
        f"{project / 'inner.dot'}:1",
    ]
    assert "node more: llm_model=claude-1: missing API key of the provider 'anthropic'" in lines[1]
    assert "unknown provider 'opnai' (did you mean openai?)" in error.message


@table(
    "node",
    [
        'type="prompt", prompt="Name it"',
        'shape=tripleoctagon, prompt="Which?"',
        'shape=house, prompt="Look", "manager.actions"="observe,steer,wait"',
    ],
)
def test_R14_nodes_that_call_a_model_require_one(tmp_path: Path, node: str) -> None:
    quiet = f"digraph inner {{ {ENDS}; start -> exit }}"
    text = outer(node, '"stack.child_dotfile"="inner.dot"')
    error = refused(tmp_path, text, "agent", inner=quiet)
    assert "node it: missing llm_model: no model is chosen" in text_of(error)


@table(
    ("node", "of_graph", "said"),
    [
        ("", "", "the manager has no child pipeline"),
        ('"stack.child_autostart"=false', "CHILD", "stack.child_autostart=false is not supported"),
        ("", 'CHILD; "stack.child_workdir"=sub', "stack.child_workdir is not supported"),
        ('"manager.actions"="look"', "CHILD", "manager.actions: unknown action 'look'"),
    ],
)
def test_R14_manager_limits_are_faults(tmp_path: Path, node: str, of_graph: str, said: str) -> None:
    child = of_graph.replace("CHILD", '"stack.child_dotfile"="inner.dot"')
    error = refused(tmp_path, outer(f"shape=house, {node}".rstrip(", "), child), inner=INNER)
    assert f"pipeline.dot:3: node it: {said}" in text_of(error)


def test_R14_unsupported_features_in_a_child_are_reported(tmp_path: Path) -> None:
    inner = INNER.replace("make -> exit", "make -> exit [loop_restart=true]")
    error = refused(tmp_path, runs(), inner=inner)
    assert "inner.dot:" in text_of(error)
    assert "loop_restart" in text_of(error)


def test_R14_invalid_outputs_are_reported(tmp_path: Path) -> None:
    inner = INNER.replace("inner {", 'inner { outputs="a, a"\n')
    error = refused(tmp_path, runs(), inner=inner)
    assert "inner.dot:1: outputs: duplicate input a" in error.message


def test_R14_pipelines_that_run_each_other_are_read_once(tmp_path: Path) -> None:
    circle = outer('type="pipeline", file="pipeline.dot", inputs="x=1"')
    error = refused(tmp_path, runs(), inner=circle)
    assert "inner.dot:3: node it: pipeline.dot has no input 'x'" in text_of(error)
