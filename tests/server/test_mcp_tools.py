"""A coding agent works on a project over MCP, with the real client and a real process."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcp_types
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.cli.commands.test_judge import HOLDOUT, SUITE, call
from tests.cli.running import attractor
from tests.factory.canaries import CANARIES, FOLDER, canaries_in, commit, make_flow_with_canaries
from tests.needs import needs_sandbox
from tests.patience import PATIENCE_S
from tests.pipeline.projects import fork, git, make_project, open_project, simulated, start
from tests.prepared import quick_programs
from tests.scenarios.suites import write_suite
from tests.server.conftest import SETTINGS
from tests.server.runs import GATE, UNGUARDED

BROKEN = GATE.replace("ship -> exit", "ship -> exti")
HIDDEN = ("../outside.dot", ".env.dot", "runs/x.dot", "scenarios/s/holdout/x.dot", "gate.txt")
TOO_LARGE = f"{GATE}{500_000 * ' '}"
TOO_LONG = f"{300 * 'x'}.dot"


@dataclass(frozen=True)
class Agent:
    """The client of an agent."""

    client: Client

    async def call(self, tool: str, **arguments: object) -> str:
        """Return the text of a result."""
        found = await self.client.call_tool(tool, arguments)
        [block] = found.content
        assert isinstance(block, mcp_types.TextContent)
        assert not found.is_error, block.text
        return block.text

    async def read(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Return the record of a result."""
        return json.loads(await self.call(tool, **arguments))

    async def refused(self, tool: str, **arguments: object) -> str:
        """Return the text of an error."""
        found = await self.client.call_tool(tool, arguments)
        [block] = found.content
        assert isinstance(block, mcp_types.TextContent)
        assert found.is_error, block.text
        return block.text

    async def await_status(
        self, run: str, is_reached: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Wait for a state of a run, and return its status."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_reached(status := await self.read("status", run=run)):
                await asyncio.sleep(0.02)
        return status


@asynccontextmanager
async def working_in(project: Path) -> AsyncGenerator[Agent]:
    program = str(quick_programs() / "attractor")
    variables = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(project.parent / "state")}
    process = StdioServerParameters(command=program, args=["mcp"], env=variables, cwd=project)
    async with Client(stdio_client(process), mode="legacy") as client:
        yield Agent(client)


def test_agent_writes_runs_and_answers_a_pipeline_in_one_session(tmp_path: Path) -> None:
    project = make_project(
        tmp_path / "project", **{"attractor.toml": SETTINGS, "gate.dot": GATE, "broken.dot": BROKEN}
    )

    async def work() -> None:
        async with working_in(project) as agent:
            offered = (await agent.client.list_tools()).tools
            assert {one.name for one in offered} == {
                *("validate", "simulate", "render", "run", "status", "answer", "judge", "verdict")
            }
            for one in offered:
                fields: dict[str, Any] = one.input_schema["properties"]
                assert one.description
                assert all(field["description"] for field in fields.values())
            assert "unknown tool" in await agent.refused("decide", run="latest")

            found = await agent.read("validate", file="broken.dot")
            assert "edge_target_exists" in {each["rule"] for each in found["diagnostics"]}
            assert (await agent.read("validate", file="gate.dot"))["summary"]["errors"] == 0
            walk = await agent.read("simulate", file="gate.dot", answers={"ask": ["Again", "Ship"]})
            assert walk["path"].count("build") == 2
            tried = await agent.read("simulate", file="gate.dot", coverage=True)
            assert (tried["edges"], tried["unreachable_edges"]) == (5, [])
            assert "Ship it?" in await agent.call("render", source=GATE, format="mermaid")

            run = (await agent.read("run", file="gate.dot"))["run"]
            status = await agent.await_status(run, lambda one: bool(one["questions"]))
            [question] = status["questions"]
            assert [each["label"] for each in question["choices"]] == ["[S] Ship", "[A] Again"]
            await agent.await_status(run, lambda one: not one["live"])
            taken = await agent.read("answer", run=run, answer="S", why="my user said so")
            assert taken["process"] == "started"
            ended = await agent.await_status(run, lambda one: bool(one["outcome"]))
            assert (ended["outcome"], ended["questions"]) == ("success", [])
            assert "ship" in await agent.call("render", run=run)
            events = (project / "runs" / run / "events.jsonl").read_text()
            assert '"proof":"mcp mcp ' in events

    asyncio.run(work())


def test_agent_answers_only_runs_that_an_agent_started(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **{"attractor.toml": SETTINGS, "gate.dot": GATE})

    async def work() -> None:
        async with working_in(project) as agent:
            own = (await agent.read("run", file="gate.dot"))["run"]
            await agent.await_status(own, lambda one: bool(one["questions"]) and not one["live"])
        opened = open_project(project)
        begun = await start(
            simulated(project, file=project / "gate.dot", interviewer="park"), opened
        )
        forked = await fork(project / "runs" / own, "ask", opened)
        async with working_in(project) as agent:
            for run in (begun.run_id, forked.run_id):
                words = await agent.refused("answer", run=run, answer="S")
                assert f"remedy: let the person type: attractor answer {run}" in words
            assert (await agent.read("answer", run=own, answer="S"))["process"] == "started"

    asyncio.run(work())


def test_mistakes_and_hidden_files_are_refused_with_a_remedy(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **{"attractor.toml": SETTINGS})
    (tmp_path / "outside.dot").write_text(GATE)
    (project / ".env.dot").write_text("digraph { KEY_OF_ANN }")
    known = ["large.dot", "p.dot", "pipeline.dot", "q.dot", "r.dot", "s.dot"]
    for name in {*known} - {"pipeline.dot"}:
        (project / name).write_text(TOO_LARGE)

    async def work() -> None:
        async with working_in(project) as agent:
            for tool in ("validate", "simulate", "render", "run"):
                for file in (*HIDDEN, TOO_LONG):
                    words = await agent.refused(tool, file=file)
                    assert "remedy: pass a path" in words
                    assert "KEY_OF_ANN" not in words
            assert "remedy: pass file" in await agent.refused("validate")
            words = await agent.refused("validate", file="nothing.dot")
            assert words.endswith(f"known: {', '.join(known)}")
            words = await agent.refused("render", run="latest", file="large.dot")
            assert words.startswith("run cannot be combined with file or source")
            # A file in place of the name of a registered pipeline.
            words = await agent.refused("run", pipeline="pipeline.dot")
            assert words.endswith('remedy: pass {"file": "pipeline.dot"}')
            assert "the arguments of run are" in await agent.refused("run", source=GATE, gaol="x")
            assert "exti" in await agent.refused("run", source=BROKEN)
            for tool in ("validate", "run"):
                words = await agent.refused(tool, source=TOO_LARGE)
                assert "source: String should have at most 500000 characters" in words
            words = await agent.refused("validate", file="large.dot")
            assert words.startswith("large.dot has more than 500,000 characters\nremedy: type 'att")
            for name, value in UNGUARDED.items():
                words = await agent.refused("run", source=GATE, **{name: value})
                assert "remedy: leave out sandbox and workspace" in words
            allowed = {"permissions": "ask", "allow": ["Bash"]}
            words = await agent.refused("run", source=GATE, **allowed)
            assert "cannot allow tool calls" in words
            recording = f"recording:auto_approve:{tmp_path / 'outside.jsonl'}"
            words = await agent.refused("run", source=GATE, interviewer=recording)
            assert "remedy: leave out the file" in words
            assert "unknown run" in await agent.refused("status", run="../x")
            quoting = GATE.replace("build [", 'a [prompt="@.env"]; build [')
            (project / ".env").write_text("KEY_OF_ANN")
            assert "KEY_OF_ANN" not in await agent.call("validate", source=quoting)

    asyncio.run(work())


@needs_sandbox
def test_agent_has_changes_judged_by_hidden_scenarios_and_decides_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **{"half.sh": "echo 0\n"})
    write_suite(tmp_path / "secret" / "half", suite=SUITE, halves=HOLDOUT)
    assert not call(project, "suite", "register", str(tmp_path / "secret" / "half")).returncode

    async def work() -> None:
        async with working_in(project) as agent:
            assert "there is nothing to judge" in await agent.refused("judge", suite="half")
            (project / "half.sh").write_text("echo 9\n")
            assert "remedy: name one: --suite NAME" in await agent.refused("judge")
            words = await agent.refused("judge", suite="half", branch="--all")
            assert "unknown commit '--all'" in words
            assert "the arguments of judge are" in await agent.refused("judge", sandbox="none")
            text = await agent.call("judge", suite="half")
            assert "1.5" not in text
            assert "halves" not in text
            found = json.loads(text)
            assert (found["verdict"], found["gate"]["played"]) == ("no-go", 1)
            assert [file["path"] for file in found["changes"]["files"]] == ["half.sh"]
            assert f"attractor decide {found['run']} --reject --reason '...'" in found["next"]
            judged = {"run": found["run"], "status": "awaiting_human", **found["gate"]}
            assert await agent.read("verdict") == judged
            git(project, "switch", "--quiet", "--create", "wrong")
            git(project, "commit", "--quiet", "--all", "--message", "Wrong")
            git(project, "switch", "--quiet", "-")
            found = await agent.read("judge", suite="half", branch="wrong")
            assert found["gate"]["go"] is False
            status = await agent.read("status", run=found["run"])
            assert (status["status"], status["outcome"]) == ("awaiting_human", "success")

    asyncio.run(work())


def test_no_tool_shows_a_wrong_solution(tmp_path: Path) -> None:
    flow = make_flow_with_canaries(tmp_path, **{"attractor.toml": SETTINGS})
    judged, settings = flow.launch().run_id, f"{FOLDER}/suite.toml"
    quoting = GATE.replace("build [", f'a [prompt="@{settings}"]; build [')
    git(tmp_path, "clone", "--quiet", f"file://{flow.project}", "other/project")
    clone = tmp_path / "other" / "project"
    text = (clone / settings).read_text()
    (clone / settings).write_text(text.replace('["made"]', f'["{CANARIES[0]}"]'))
    commit(clone)
    words: list[str] = []

    async def work() -> None:
        async with working_in(flow.project) as agent:
            words.append(await agent.call("status", run=judged))
            words.append(await agent.call("render", run=judged))
            words.append(await agent.call("verdict", run=judged))
            for tool in ("validate", "simulate", "render", "run"):
                for file in (settings, f"{FOLDER}/wrong/{CANARIES[0]}.patch"):
                    refused = await agent.refused(tool, file=file)
                    words.append(refused.replace(file, ""))
                found = await agent.client.call_tool(tool, {"source": quoting})
                words.append(str(found.content))
        async with working_in(clone) as agent:
            words.append(await agent.refused("run", file="pipeline.dot", suite="todo"))

    asyncio.run(work())
    assert "invalid_suite: a file is invalid" in words[-1]
    assert [found for one in words if (found := canaries_in(one))] == []
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    shown = attractor(
        *("suite", "show", "todo", "--operator", "--json"), folder=flow.project, variables=state
    )
    assert canaries_in(shown.stdout) == [*CANARIES]
