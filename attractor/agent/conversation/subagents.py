"""Subagents: child sessions that work for the model of a session (§7)."""

import asyncio
import posixpath
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from attractor.agent.conversation.loop import InputResult, Stop
from attractor.agent.errors import ToolError
from attractor.agent.provider_profile import SUBAGENT_TOOLS
from attractor.agent.tool_calls.tool import ToolRegistry
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.wrappers import SubfolderEnvironment

MAX_RUNNING = 8
"""The number of subagents of a session that can run at the same time."""


class SubAgentStatus(StrEnum):
    """The status of a subagent (§7.3)."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class SubAgentResult:
    """The last text of a subagent, and the number of its turns."""

    output: str
    success: bool
    turns_used: int


class ChildSession(Protocol):
    """A session as seen by its parent."""

    @property
    def turn_count(self) -> int:
        """The number of answers so far."""
        ...

    async def submit(self, user_input: str) -> InputResult:
        """Process an input."""
        ...

    def steer(self, message: str) -> None:
        """Send a message to the model during its work."""
        ...

    async def close(self) -> None:
        """End the session."""
        ...


@dataclass(frozen=True, kw_only=True)
class SpawnRequest:
    """A task for a new subagent; an empty model is the parent's model."""

    task: str
    working_dir: str = ""
    model: str = ""
    max_turns: int = 0


OpenChild = Callable[[str, SpawnRequest, ExecutionEnvironment], ChildSession]
"""Type of a function that opens the session of a subagent, by the subagent's id."""


class SubAgent:
    """A child session, its status, and the task that runs it."""

    def __init__(self, session: ChildSession, task: str) -> None:
        self.session = session
        self.status = SubAgentStatus.RUNNING
        self.result = SubAgentResult("", success=False, turns_used=0)
        self._broken: MachineryError | None = None
        self.running = asyncio.create_task(self._run(task))

    async def _run(self, task: str) -> None:
        text, is_done = "the subagent was closed", False
        try:
            ending = await self.session.submit(task)
            is_done = ending.stop is Stop.COMPLETED
            text = ending.text if is_done else f"{ending.text}\n[ended: {ending.stop}]".strip()
        except MachineryError as error:
            self._broken = error
        # The parent's model gets any other error of its subagent, as of a tool (§2.5).
        except Exception as error:  # noqa: BLE001
            text = f"{type(error).__name__}: {error}"
        finally:
            self.status = SubAgentStatus.COMPLETED if is_done else SubAgentStatus.FAILED
            self.result = SubAgentResult(text, is_done, self.session.turn_count)

    def give(self, message: str) -> str:
        """Steer a working subagent, or start an idle one again; return what was done."""
        if not self.running.done():
            self.session.steer(message)
            return "The subagent gets the message before its next model call."
        self.status = SubAgentStatus.RUNNING
        self.running = asyncio.create_task(self._run(message))
        return "The subagent works on the message."

    async def wait(self) -> SubAgentResult:
        """Wait for the end of the work."""
        # Neither an aborted wait nor an aborted subagent cancels the other.
        await asyncio.wait([self.running])
        if self._broken:
            raise self._broken
        return self.result

    async def close(self) -> None:
        """Cancel the work, and end the session."""
        self.running.cancel()
        await asyncio.wait([self.running])
        await self.session.close()


class Subagents:
    """The subagents of a session; `open_child` opens their sessions."""

    def __init__(self, open_child: OpenChild | None = None) -> None:
        self._open_child = open_child
        self._agents: dict[str, SubAgent] = {}
        self._count = 0

    def spawn(self, wanted: SpawnRequest, environment: ExecutionEnvironment) -> str:
        """Start a subagent and return its id."""
        if self._open_child is None:
            raise ToolError("subagents need a session", hint="do the task yourself")
        running = [agent for agent in self._agents.values() if not agent.running.done()]
        if len(running) >= MAX_RUNNING:
            raise ToolError(
                f"{MAX_RUNNING} subagents are running", hint="wait for one, or close one"
            )
        id = f"agent_{self._count + 1}"
        session = self._open_child(id, wanted, environment)
        self._count += 1
        self._agents[id] = SubAgent(session, wanted.task)
        return id

    def find(self, id: str) -> SubAgent:
        """Return a subagent by its id."""
        if id not in self._agents:
            known = ", ".join(self._agents) or "none"
            raise ToolError(f"unknown subagent {id!r}", hint=f"open subagents: {known}")
        return self._agents[id]

    async def close(self, id: str) -> SubAgent:
        """Close a subagent; its id is unknown afterwards."""
        agent = self.find(id)
        await agent.close()
        del self._agents[id]
        return agent

    async def close_all(self) -> None:
        """Close all subagents."""
        await asyncio.gather(*map(self.close, tuple(self._agents)))

    def cancel_all(self) -> None:
        """Cancel all subagents without waiting for their ends."""
        for agent in self._agents.values():
            agent.running.cancel()


def tools_of_subagent(tools: ToolRegistry) -> ToolRegistry:
    """Return the tools that a subagent inherits."""
    return ToolRegistry([tool for tool in tools.values() if tool.is_inherited])


def without_spawning(tools: ToolRegistry) -> ToolRegistry:
    """Return the tools except those for subagents."""
    return ToolRegistry([tool for tool in tools.values() if tool.name not in SUBAGENT_TOOLS])


def folder_below(environment: ExecutionEnvironment, folder: str) -> ExecutionEnvironment:
    """Return the environment of a subagent, whose paths start at a folder of the parent's."""
    here = environment.working_directory()
    path = posixpath.normpath(posixpath.join(here, folder))
    if path == posixpath.normpath(here):
        return environment
    if not path.startswith(here.rstrip("/") + "/"):
        raise ToolError(
            f"working_dir {folder!r} is outside the working directory",
            hint="pass a folder below the working directory",
        )
    return SubfolderEnvironment(environment, path)
