"""Walks a child through its rounds: one run after the other, until one rests or ends (ruling R7).

Whoever accompanies the child sees the round at work: what is said to it reaches that one.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from attractor.base.dataclasses import dataclass
from attractor.engine.journal.events import OperatorAction
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.state.run_state import QUEUED, RunResult
from attractor.engine.walk import Steer, steer_nobody
from attractor.pipeline.child_directories import newest_round, next_round, round_before
from attractor.pipeline.restarting import make_next_child
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.world import World


@dataclass(frozen=True)
class Equipment:
    """What a round is walked with, and who takes words for its stages."""

    walk: Callable[[], Awaitable[RunResult]]
    steer: Steer


@dataclass(frozen=True)
class Provision:
    """How rounds of a child are opened, read and equipped; what that holds ends with a stack."""

    open: Callable[[RunDirectory], OpenRun]
    read: Callable[[OpenRun], PipelineSource]
    equip: Callable[[OpenRun, PipelineSource, AsyncExitStack], Awaitable[Equipment]]


class ChildRounds:
    """One child at work; `first` is where its first run lies."""

    run: OpenRun
    pipeline: PipelineSource

    def __init__(self, first: RunDirectory, provision: Provision, world: World) -> None:
        self._first = first
        self._provision = provision
        self._world = world
        self._stack = AsyncExitStack()
        self._equipment: Equipment | None = None

    async def begin(self) -> None:
        """Take the last round in hand, ready to be walked."""
        self._take(newest_round(self._first))
        await self._equip()

    @property
    def steer(self) -> Steer:
        """Who takes words for the stages of the round at work."""
        return self._equipment.steer if self._equipment else steer_nobody

    async def walk(self) -> RunResult:
        """Walk round after round, until one rests or ends."""
        while True:
            equipment = await self._equip()
            result = await equipment.walk()
            if not result.is_restarting:
                return result
            await self._go_on()

    def cancel(self, order: OperatorAction) -> None:
        """Tell the round at work that the child is to end."""
        self.run.record(order, sync=True)

    async def close(self) -> None:
        """Give up what the round at work holds."""
        await self._stack.aclose()

    async def _equip(self) -> Equipment:
        """Make the round at work ready; the one before it is over, also if its process died."""
        if self._equipment is None:
            run = self.run
            if run.manifest.restart and run.state.standing == QUEUED:
                self._settle_last()
            self._equipment = await self._provision.equip(run, self.pipeline, self._stack)
        return self._equipment

    async def _go_on(self) -> None:
        """Begin the next round: nothing is awaited before it is the one that is at work."""
        old = self._stack
        directory = next_round(self._first, self.run.progress)
        make_next_child(self.run, self.pipeline, directory, self._world)
        self._stack, self._equipment = AsyncExitStack(), None
        try:
            self._take(directory)
        finally:
            await old.aclose()

    def _take(self, directory: RunDirectory) -> None:
        self.run = self._stack.enter_context(self._provision.open(directory))
        self.pipeline = self._provision.read(self.run)

    def _settle_last(self) -> None:
        with self._provision.open(round_before(self._first, self.run.manifest)) as last:
            state = last.state
            if state.restarted_as == self.run.manifest.run_id and not state.standing.is_final:
                end_run(last)
