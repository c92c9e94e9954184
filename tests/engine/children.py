"""Fake child runs that follow a plot."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.engine.outcome import StageStatus, Usage
from attractor.engine.seams import Child, ChildEnd, Parked, Telemetry, Workspace
from attractor.language.diagnostics import UnreadablePipeline
from attractor.language.graph.graph import Graph
from tests.engine.graphs import line

DONE = ChildEnd(StageStatus.SUCCESS, "completed")
RUNNING = Telemetry("running", node="build")


@dataclass
class Plot:
    """Plot of a child: its end or its question, and its telemetry.

    `is_open` lets the child end. Each look takes the next telemetry; the last one is repeated.
    """

    end: ChildEnd = DONE
    asks: Parked | None = None
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    seen: Sequence[Telemetry] = (RUNNING,)
    takes_words: bool = False
    graph: Graph = field(default_factory=line)
    looks: int = 0
    messages: list[str] = field(default_factory=list[str])
    stopped: str = ""
    ended: ChildEnd | None = None

    def opened(self) -> "Plot":
        """Let the child end without waiting."""
        self.is_open.set()
        return self


@dataclass
class GivenChild:
    """One running child, which follows its plot."""

    plot: Plot
    walking: "asyncio.Task[ChildEnd]"
    name: str
    run_id: str = "01JZ00000000000000000CH11D"
    directory: Path = Path("/nowhere/children/it")

    @property
    def graph(self) -> Graph:
        return self.plot.graph

    def telemetry(self) -> Telemetry:
        if end := self.plot.ended:
            status = "completed" if end.status.is_success else "failed"
            status = "stopped" if self.plot.stopped else status
            return Telemetry(status, outcome=end.status.value, reason=end.reason)
        self.plot.looks += 1
        return self.plot.seen[min(self.plot.looks, len(self.plot.seen)) - 1]

    async def steer(self, text: str) -> bool:
        if self.walking.done():
            return False
        self.plot.messages.append(text)
        return self.plot.takes_words

    async def wait(self) -> ChildEnd:
        await asyncio.wait([self.walking])
        return self.walking.result()

    async def stop(self, why: str) -> ChildEnd:
        if not self.walking.done():
            self.plot.stopped = f"canceled by {self.name}: {why}"
            self.plot.is_open.set()
        return await self.wait()


@dataclass
class GivenChildren:
    """Runs children by the plots of their files; a file without a plot is unreadable."""

    plots: Mapping[str, Plot] = field(default_factory=dict[str, Plot])
    answered: bool = False
    started: list[Child] = field(default_factory=list[Child])
    halted: list[str] = field(default_factory=list[str])
    begun: dict[str, Plot] = field(default_factory=dict[str, Plot])

    def has(self, name: str) -> bool:
        return name in self.begun

    @asynccontextmanager
    async def start(self, child: Child, workspace: Workspace) -> AsyncGenerator[GivenChild]:
        if child.name not in self.begun:
            if child.file not in self.plots:
                raise UnreadablePipeline(f"cannot read {child.file}: No such file or directory")
            declared = self.plots[child.file].graph.attributes.text("inputs").split(",")
            unknown = set(child.inputs) - set(declared)
            if unknown:
                raise UsageError(f"unknown input {min(unknown)!r}")
            # Each child has its own copy of the plot, also two children of the same file.
            self.begun[child.name] = replace(self.plots[child.file], looks=0, ended=None)
        self.started.append(child)
        plot = self.begun[child.name]
        walking = asyncio.create_task(self._walk(child.name, plot))
        try:
            yield GivenChild(plot, walking, child.name)
        finally:
            if not walking.done():
                self.halted.append(child.name)
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)

    async def _walk(self, name: str, plot: Plot) -> ChildEnd:
        if plot.ended:
            return plot.ended
        if plot.asks and not self.answered:
            asked = plot.asks.question
            raise Parked(replace(asked, id=f"{name}/{asked.id}"))
        await plot.is_open.wait()
        plot.ended = plot.end
        if plot.stopped:
            usage = Usage(plot.end.usage.input_tokens, plot.end.usage.output_tokens)
            plot.ended = ChildEnd(StageStatus.FAIL, plot.stopped, plot.end.context, usage)
        return plot.ended
