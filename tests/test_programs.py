"""Programs that use only the public API: those in the documentation, and the example."""

import os
from pathlib import Path

import pytest

from tests.examples import ROOT, Fence, fences
from tests.factory.flows import make_flow
from tests.pipeline.projects import git, make_project
from tests.prepared import run_program

PAGE = "run-from-a-program.md"
CHECK_PAGE = "check-from-a-program.md"
PIPELINE = """digraph hello {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    greet [prompt="Write: $goal"]
    start -> greet -> exit
}
"""


def run(program: str, folder: Path, *arguments: str) -> str:
    project = make_project(folder / "project", PIPELINE)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    ended = run_program(program, project, environ, *arguments)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


PROGRAMS = [one for one in fences("python") if one.page.name == PAGE]
PRINTED = {
    0: "success ('start', 'greet') ",
    1: "StageCompleted greet\n",
}


@pytest.mark.parametrize(("number", "fence"), list(enumerate(PROGRAMS)))
def test_a_program_of_the_documentation_runs(number: int, fence: Fence, tmp_path: Path) -> None:
    assert PRINTED[number] in run(fence.text, tmp_path)


CHECKS = [one for one in fences("python") if one.page.name == CHECK_PAGE]
CHECKED = [
    "line 4: warning: unknown attribute 'llm_provder'",
    "True 0 diagnostics\nstart start ''\nexit exit ''\ngreet codergen 'Write: Say hello'\n",
]


@pytest.mark.parametrize(("fence", "printed"), list(zip(CHECKS, CHECKED, strict=True)))
def test_a_check_of_the_documentation_runs(fence: Fence, printed: str, tmp_path: Path) -> None:
    assert printed in run(fence.text, tmp_path)


def test_a_program_decides_and_promotes(tmp_path: Path) -> None:
    [fence] = [one for one in fences("python") if one.page.name == "decide-from-a-program.md"]
    flow = make_flow(tmp_path)
    flow.launch()
    environ = {
        "PATH": os.environ["PATH"],
        "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir),
        "ATTRACTOR_TOKEN": flow.make_token(),
    }
    ended = run_program(fence.text, flow.project, environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    looked, moved, *history = ended.stdout.splitlines()
    assert looked.endswith(" ['1/1']")
    assert moved == f"main is now {git(flow.project, 'rev-parse', 'main').strip()}"
    assert [one.split()[0] for one in history] == ["decided", "amended", "promoted"]


def test_example_checks_pipelines_with_a_rule_of_its_own(tmp_path: Path) -> None:
    long = tmp_path / "long.dot"
    long.write_text(PIPELINE.replace("start [", f'goal="{"so " * 30}"; start [', 1))
    program = (ROOT / "examples" / "check.py").read_text()
    printed = run(program, tmp_path, "pipeline.dot", str(long)).splitlines()
    assert "pipeline.dot: greet has the type codergen (drawn as box)" in printed
    assert f"{long}:1: warning: the goal has 90 characters" in printed


def test_example_passes_its_own_parts(tmp_path: Path) -> None:
    printed = run((ROOT / "examples" / "greetings.py").read_text(), tmp_path)
    done = ["start is done", "write is done", "loud is done", "ask is done"]
    assert printed.splitlines() == [*done, "success: HELLO, ALL OF YOU!"]
