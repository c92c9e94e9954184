"""Ruling R14: preflight reports all faults before the first stage."""

import asyncio
from pathlib import Path

import pytest

from attractor.backends.models import newest_model
from attractor.backends.provider_needs import WITHOUT_KEY
from attractor.base.errors import ExitCode, Refused
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.execute import resume
from attractor.records.request import Overrides, RunRequest
from tests.pipeline.projects import git, make_project, open_project, simulated, start

MODELS = " or ".join(f"--model {newest_model(one)}" for one in ("anthropic", "gemini"))
NO_MODEL = (
    "set ANTHROPIC_API_KEY or GEMINI_API_KEY or OPENAI_API_KEY or OPENAI_COMPATIBLE_BASE_URL; "
    "to choose a model, "
    f"pass {MODELS}, or set llm_model "
    f"in the pipeline or llm.model in attractor.toml; 'attractor models' lists models; "
    f"{WITHOUT_KEY}"
)
AGENTS = """digraph agents {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="Plan"]
    make  [prompt="Make", llm_model=x, llm_provider=opnai]
    look  [prompt="Look", llm_model="claude-1"]
    start -> plan -> make -> look -> exit
}
"""
ASKS_FIRST = """digraph asks {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    ask   [shape=hexagon, label="Go on?"]
    make  [prompt="Make", llm_model="gpt-5"]
    start -> ask
    ask -> make [label="Yes"]
    make -> exit
}
"""


def test_R14_all_faults_are_reported_together_before_the_run_exists(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", AGENTS)
    file = project / "pipeline.dot"
    options = RunRequest(file=file, sandbox="none", interviewer="consle")
    with pytest.raises(NotRunnable) as caught:
        asyncio.run(start(options, open_project(project)))
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.message.splitlines() == [
        "agents cannot be run:",
        "  --interviewer: unknown interviewer 'consle' (did you mean console?)",
        f"  {file}:4: node plan: missing llm_model: no model is chosen ({NO_MODEL})",
        f"  {file}:5: node make: llm_provider=opnai: unknown provider 'opnai' "
        "(did you mean openai?)",
        f"  {file}:6: node look: llm_model=claude-1: missing API key of the provider "
        f"'anthropic' (set ANTHROPIC_API_KEY; {WITHOUT_KEY})",
    ]
    assert not (tmp_path / "state").exists()
    assert list((tmp_path / "shared").iterdir()) == []
    assert git(project, "status", "--porcelain", "--ignored") == ""
    assert git(project, "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"


def test_R14_one_fault_is_one_line_with_its_remedy(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ASKS_FIRST)
    options = RunRequest(file=project / "pipeline.dot", sandbox="none")
    with pytest.raises(NotRunnable) as caught:
        asyncio.run(start(options, open_project(project)))
    assert len(caught.value.message.splitlines()) == 1
    assert f"{project / 'pipeline.dot'}:5: node make" in caught.value.message
    assert caught.value.hint == f"set OPENAI_API_KEY\n{WITHOUT_KEY}"


def test_R14_the_simulated_backend_needs_neither_model_nor_key(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", AGENTS)
    options = simulated(project)
    assert asyncio.run(start(options, open_project(project))).exit_code is ExitCode.DONE


def test_R14_resume_repeats_preflight_and_keeps_the_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ASKS_FIRST)
    options = RunRequest(file=project / "pipeline.dot", sandbox="none", interviewer="park")
    opened = open_project(project, OPENAI_API_KEY="a key of some length")
    parked = asyncio.run(start(options, opened))
    assert parked.exit_code is ExitCode.UNFINISHED
    before = (parked.directory / "events.jsonl").read_bytes()
    with pytest.raises(NotRunnable) as caught:
        asyncio.run(
            resume(parked.directory, open_project(project), Overrides(interviewer="auto_approve"))
        )
    assert caught.value.hint == f"set OPENAI_API_KEY\n{WITHOUT_KEY}"
    assert (parked.directory / "events.jsonl").read_bytes() == before
    assert asyncio.run(resume(parked.directory, opened)).exit_code is ExitCode.UNFINISHED


def test_R14_existing_run_directory_is_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    options = simulated(project)
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(Refused, match="exists already"):
        asyncio.run(start(options, open_project(project), root=taken))
    assert not (tmp_path / "state").exists()
    assert git(project, "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"
