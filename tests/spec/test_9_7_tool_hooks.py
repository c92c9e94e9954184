"""Attractor specification 9.7: hooks around the tool calls of an agent, in whole runs."""

import asyncio
import json
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.base.json import JsonObject
from attractor.engine.run_folder.result import RunResult
from attractor.records.request import RunRequest
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, script, use, uses
from tests.engine.runs import read_events
from tests.needs import needs_sandbox
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, git, make_project, open_project, start

PIPELINE = """digraph hooked {{
    graph [{graph}]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [prompt="Make it", {node}]
    start -> make -> exit
}}
"""
ANSWERS = (
    uses(use("write_file", {"file_path": "a.txt", "content": "x"})),
    uses(use("report_outcome", {"outcome": "success"})),
    says("done"),
)


def hook(when: str, command: str) -> str:
    return f"tool_hooks.{when}={json.dumps(command)}"


def go(
    folder: Path,
    *,
    graph: str = 'goal="x"',
    node: str = 'class="x"',
    sandbox: str = "none",
    backend: str = "agent",
    **files: str,
) -> RunResult:
    project = make_project(folder / "project", PIPELINE.format(graph=graph, node=node), **files)
    opened = open_project(project)
    options = RunRequest(
        file=project / "pipeline.dot",
        backend=backend,
        model=MODELS["openai"],
        provider="openai",
        sandbox=sandbox,
        interviewer="park",
    )
    with in_background(ProviderTwin(script(*ANSWERS))) as twin:
        opened = adjusted(opened, environ={**opened.machine.environ, **twin.environ()})
        return asyncio.run(asyncio.wait_for(start(options, opened), PATIENCE_S))


def hook_executions(result: RunResult) -> list[tuple[str, str, str]]:
    """Return each execution of a hook from the journal: the hook, the tool, the error."""
    events = [one for one in read_events(result.directory) if one.type == "TOOL_HOOK"]
    assert all((one.node, one.visit, one.attempt) == ("make", 1, 1) for one in events)
    return [
        (str(one.data["hook"]), str(one.data["tool_name"]), str(one.data["fault"]))
        for one in events
    ]


def files_of(result: RunResult) -> set[str]:
    """Return the files in the result of the run."""
    project = result.directory.parent.parent
    branch = f"attractor/run/{result.directory.name}"
    return set(git(project, "ls-tree", "-r", "--name-only", branch).splitlines())


def transcript(result: RunResult) -> list[JsonObject]:
    lines = (result.directory / "make" / "transcript.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_9_7_a_pre_hook_runs_before_every_tool_call(tmp_path: Path) -> None:
    result = go(tmp_path, graph=hook("pre", "cat >> calls.jsonl"))
    assert result.exit_code is ExitCode.DONE
    assert hook_executions(result) == [
        ("tool_hooks.pre", "write_file", ""),
        ("tool_hooks.pre", "report_outcome", ""),
    ]
    assert {"a.txt", "calls.jsonl"} <= files_of(result)


def test_9_7_a_pre_hook_gets_metadata_in_variables_and_json(tmp_path: Path) -> None:
    look = 'test "$TOOL_HOOK_TOOL" = write_file || exit 0; env | grep ^TOOL_HOOK_; cat; exit 1'
    result = go(tmp_path, node=hook("pre", look))
    found = next(str(one["output"]) for one in transcript(result) if one["kind"] == "TOOL_HOOK")
    assert "TOOL_HOOK_NODE=make\n" in found
    assert "TOOL_HOOK_VISIT=1\n" in found
    assert json.loads(found.splitlines()[-1])["arguments"] == {"file_path": "a.txt", "content": "x"}


def test_9_7_a_pre_hook_that_fails_skips_the_call_and_is_recorded(tmp_path: Path) -> None:
    refuse = 'test "$TOOL_HOOK_TOOL" != write_file || { echo not today; exit 4; }'
    result = go(tmp_path, graph=hook("pre", refuse))
    assert result.exit_code is ExitCode.DONE
    assert hook_executions(result)[0] == ("tool_hooks.pre", "write_file", "ended with exit code 4")
    (event, *_) = [one for one in transcript(result) if one["kind"] == "TOOL_HOOK"]
    assert (event["exit_code"], event["output"]) == (4, "not today")
    ended = next(one for one in transcript(result) if one["kind"] == "TOOL_CALL_END")
    assert str(ended["error"]).endswith("tool_hooks.pre: ended with exit code 4\nnot today")
    assert "a.txt" not in files_of(result)


def test_9_7_a_post_hook_gets_the_result(tmp_path: Path) -> None:
    result = go(tmp_path, graph=hook("post", "cat"))
    events = [one for one in transcript(result) if one["kind"] == "TOOL_HOOK"]
    first = json.loads(str(events[0]["output"]))
    assert (first["when"], first["output"], first["is_error"]) == (
        "post",
        "Wrote 1 bytes to a.txt",
        False,
    )


def test_9_7_a_post_hook_that_fails_does_not_block_and_is_recorded(tmp_path: Path) -> None:
    result = go(tmp_path, graph=hook("post", "exit 5"))
    assert result.exit_code is ExitCode.DONE
    assert hook_executions(result) == [
        ("tool_hooks.post", "write_file", "ended with exit code 5"),
        ("tool_hooks.post", "report_outcome", "ended with exit code 5"),
    ]
    ended = next(one for one in transcript(result) if one["kind"] == "TOOL_CALL_END")
    assert ended["output"] == "Wrote 1 bytes to a.txt"


def test_9_7_hook_of_a_node_overrides_hook_of_the_graph(tmp_path: Path) -> None:
    result = go(tmp_path, graph=hook("pre", "exit 1"), node=hook("pre", "true"))
    assert [fault for *_, fault in hook_executions(result)] == ["", ""]


@needs_sandbox
def test_9_7_hooks_run_in_the_workspace_and_in_the_sandbox_of_the_stage(tmp_path: Path) -> None:
    look = 'pwd; cat readme.txt; ls -a "$HOME"; env'
    result = go(tmp_path, graph=hook("post", look), sandbox="bubblewrap")
    said = next(str(one["output"]) for one in transcript(result) if one["kind"] == "TOOL_HOOK")
    assert said.startswith("/workspace\nhello\n")
    assert str(tmp_path) not in said
    assert "API_KEY" not in said


def test_9_7_nothing_in_the_workspace_is_a_hook(tmp_path: Path) -> None:
    planted = "#!/bin/sh\ntouch planted\n"
    files = dict.fromkeys(
        ("tool_hooks.pre", ".attractor/hooks/pre", "hooks/tool_hooks.post"), planted
    )
    result = go(tmp_path, **files)
    assert result.exit_code is ExitCode.DONE
    assert hook_executions(result) == []


def test_9_7_a_simulated_stage_calls_no_tool(tmp_path: Path) -> None:
    result = go(tmp_path, graph=hook("pre", "exit 1"), backend="simulate")
    assert result.exit_code is ExitCode.DONE
    assert hook_executions(result) == []
