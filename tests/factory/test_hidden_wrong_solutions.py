"""No agent and no trial finds a wrong solution, and no record of a run contains one."""

import json
from pathlib import Path

import pytest

from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.evaluation.feedback import FEEDBACK_FILE
from attractor.records.transcript import TRANSCRIPT
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.agent.twinned import MODELS, says, script, use, uses
from tests.factory.canaries import (
    CANARIES,
    FOLDER,
    PATTERN,
    canaries_below,
    canaries_in,
    make_flow_with_canaries,
)
from tests.needs import needs_kind

# Prints each canary once for each way: files, Git, and the eyes of other processes.
LOOK = """
exec 2>/dev/null
found() {{ grep -aoE '{pattern}' | sort -u | sed "s/^/$1 /"; }}
for place in {places}; do
  find -L $place -maxdepth 9 '(' -path '*/usr' -o -path '*/proc' -o -path '*/sys' ')' -prune -o \\
    -type f -size -64k '(' -name '*.patch' -o -name '*.toml' -o -name '*.json*' ')' -print
done | sort -u | head -n 2000 | tr '\\n' '\\0' | xargs -0 cat | found file
for repository in .git {home}/project/.git; do
  git --git-dir=$repository log --all --patch
  git --git-dir=$repository cat-file --batch-all-objects --batch
done | found git
for process in /proc/[0-9]*; do
  cat $process/environ $process/cmdline $process/cwd/{folder}/wrong/*
  cat $process/root{home}/project/{folder}/wrong/* $process/root{home}/state/suites/sealed/*/wrong/*
done | found process
"""
WAYS = ("file", "git", "process")
PIPELINE = """digraph linear {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    look  [prompt="Look around", llm_provider="openai", llm_model="MODEL"]
    start -> look -> exit
}""".replace("MODEL", MODELS["openai"])
AGENT = script(
    uses(use("shell", {"command": "sh look.sh; echo made > made.txt"})),
    uses(use("report_outcome", {"outcome": "success"})),
    says("Done."),
)


@needs_kind
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock", "none"])
def test_no_agent_and_no_trial_finds_a_wrong_solution_from_inside(
    tmp_path: Path, provider_twin: StartTwin, sandbox: str
) -> None:
    places = ".. ../.. /dev/shm" if sandbox != "none" else ""
    look = LOOK.format(pattern=PATTERN, places=f"{places} {tmp_path}", home=tmp_path, folder=FOLDER)
    flow = make_flow_with_canaries(
        tmp_path, run="sh look.sh; cat made.txt", pipeline=PIPELINE, **{"look.sh": look}
    )
    environ = {**flow.machine.environ, **provider_twin(AGENT).environ()}
    flow = flow.adjusted(environ=environ)
    first = flow.launch(sandbox=sandbox, backend="agent")
    transcript = (first.directory / "look" / TRANSCRIPT).read_text()
    told = [f"{way} {one}" for way in WAYS for one in CANARIES]
    if sandbox == "none":
        # All ways lead to each: the search works, also in the trial.
        assert [one for one in told if one not in transcript] == []
        assert "satisfaction" in flow.rules(first)
        return
    assert "sh look.sh" in transcript
    report = flow.report(first)
    assert (report.played, report.satisfied, report.reasons) == (1, 1, ())
    assert canaries_below(first.directory) == []


def test_no_record_of_a_run_contains_a_wrong_solution(tmp_path: Path) -> None:
    flow = make_flow_with_canaries(tmp_path, run="cat missing.txt")
    first = flow.launch()
    assert json.loads((first.directory / FEEDBACK_FILE).read_text())["rules"]
    flow.decide(first, DecisionKind.REJECTED)
    second = flow.launch(feedback=first)
    assert "feedback.rules" in (second.directory / "plan" / "prompt.md").read_text()
    assert canaries_below(flow.runs_dir) == []
    assert canaries_below(flow.machine.state_dir, "sealed") == []
    assert canaries_below(flow.machine.state_dir) == list(CANARIES)
    assert canaries_in(str(flow.report(second).to_record())) == []
