"""Supervises the run of another pipeline: observes, steers and ends this run."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import canonical_json
from attractor.base.records import write_fields
from attractor.engine.outcome import (
    NOTHING_USED,
    FailureClass,
    Outcome,
    StageStatus,
    Usage,
    failure,
)
from attractor.engine.prompts.inherited_context import STEER_ACTION
from attractor.engine.routing.edge_selection import make_lookup
from attractor.engine.seams import ChildEnd, ChildRun, ModelAnswer, Parts, Stage, Telemetry
from attractor.handlers.codergen import write_prompt
from attractor.handlers.registry import record_child_end, run_child
from attractor.language.conditions.condition import Condition
from attractor.language.conditions.parse import parse_condition
from attractor.language.diagnostics import InvalidCondition
from attractor.language.graph.graph import Graph, Node, supervised_file

OBSERVE, WAIT = "observe", "wait"
ACTIONS = (OBSERVE, STEER_ACTION, WAIT)
MAX_CYCLES = 1000
POLL = timedelta(seconds=45)
# Without the action `wait`, two cycles are only separated by a yield to other tasks.
_MOMENT = timedelta(milliseconds=100)


@dataclass(frozen=True)
class Plan:
    """The child to supervise, the actions of a cycle, and the stop condition."""

    file: str
    actions: frozenset[str]
    pause: timedelta
    max_cycles: int
    cooldown: timedelta
    stop: Condition | None = None


def read_plan(node: Node, graph: Graph) -> Plan:
    """Read the plan of a manager loop (attractor-spec 4.11)."""
    file = str(supervised_file(graph, node) or "").strip()
    if not file:
        raise UsageError(
            "the manager has no child pipeline",
            hint="set stack.child_dotfile on the node or on the graph",
        )
    if node.attributes.text("stack.child_autostart") == "false":
        raise UsageError(
            "stack.child_autostart=false is not supported: a manager starts its child itself",
            hint="remove it",
        )
    if graph.attributes.text("stack.child_workdir"):
        raise UsageError(
            "stack.child_workdir is not supported: a child uses the workspace of its parent",
            hint="remove it",
        )
    attributes = node.attributes
    actions = _actions(attributes.text("manager.actions") or f"{OBSERVE},{WAIT}")
    if not node.prompt.strip():
        # Without a prompt, a model has no instructions for steering.
        actions -= {STEER_ACTION}
    poll = attributes.duration("manager.poll_interval") or POLL
    cooldown = attributes.duration("manager.steer_cooldown")
    return Plan(
        file=file,
        actions=actions,
        pause=poll if WAIT in actions else _MOMENT,
        max_cycles=attributes.number("manager.max_cycles") or MAX_CYCLES,
        cooldown=poll if cooldown is None else cooldown,
        stop=_stop(attributes.text("manager.stop_condition").strip()),
    )


def _stop(written: str) -> Condition | None:
    try:
        return parse_condition(written) if written else None
    except InvalidCondition as cause:
        raise UsageError(f"manager.stop_condition: {cause}", hint=cause.hint) from cause


def _actions(written: str) -> frozenset[str]:
    named = [action.strip() for action in written.split(",") if action.strip()]
    for action in named:
        if action not in ACTIONS:
            unknown = UnknownName("action", action, ACTIONS)
            raise UsageError(f"manager.actions: {unknown.message}", hint=unknown.hint)
    return frozenset(named)


_SILENCE = "NOTHING"
_ASK = (
    "This is the state of the pipeline that you supervise. Answer with a message to the running "
    f"stage, or with {_SILENCE} alone."
)


@dataclass(frozen=True)
class ManagerLoop:
    """Observes and steers a child run until its end (attractor-spec 4.11, ruling R13)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Start or resume the child run, and observe it cycle by cycle."""
        try:
            plan = read_plan(stage.node, stage.graph)
        except UsageError as mistake:
            reason = f"{stage.node.id}: {mistake} ({mistake.hint})"
            return failure(reason, FailureClass.PIPELINE)
        return await run_child(stage, plan.file, partial(self._supervise, stage, plan), inputs={})

    async def _supervise(self, stage: Stage, plan: Plan, run: ChildRun) -> Outcome:
        ending = asyncio.create_task(run.wait())
        try:
            now = stage.clock.monotonic()
            return await _Supervision(stage, self.parts, plan, run, ending, now).supervise()
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)


@dataclass
class _Supervision:
    """A child run under supervision: last observed state, last steering, and usage."""

    stage: Stage
    parts: Parts
    plan: Plan
    run: ChildRun
    ending: "asyncio.Task[ChildEnd]"
    spoke: float
    used: Usage = NOTHING_USED
    seen: Telemetry | None = None

    async def supervise(self) -> Outcome:
        """Observe the child until it ends, the stop condition is true, or cycles are exhausted."""
        for cycle in range(1, self.plan.max_cycles + 1):
            if OBSERVE in self.plan.actions:
                self._observe(cycle)
            if STEER_ACTION in self.plan.actions and not self.ending.done():
                await self._steer()
            if self.ending.done():
                return self._ended(self.ending.result())
            if self._is_to_stop():
                stopped = Outcome(StageStatus.SUCCESS, notes="Stop condition satisfied")
                return await self._stop("its stop condition is true", stopped)
            await self._pause()
        if self.ending.done():
            return self._ended(self.ending.result())
        exceeded = failure("Max cycles exceeded", FailureClass.VERDICT)
        return await self._stop("max cycles exceeded", exceeded)

    def _observe(self, cycle: int) -> None:
        """Write the observed state into the context; record this state if it has changed."""
        seen = self.run.telemetry()
        if seen != self.seen:
            self.stage.emit("ChildObserved", cycle=cycle, child=write_fields(seen))
            self._take_in(seen)
        self.seen = seen

    def _take_in(self, seen: Telemetry) -> None:
        record = {f"stack.child.{key}": value for key, value in write_fields(seen).items()}
        self.stage.context.apply_updates({**record, "stack.child.run_id": self.run.run_id})

    async def _steer(self) -> None:
        """Ask the backend for advice (not in every cycle), and pass the advice to the child."""
        now = self.stage.clock.monotonic()
        if now - self.spoke < self.plan.cooldown.total_seconds():
            return
        self.spoke = now
        words = await self._words()
        if words and words.strip().strip(".") != _SILENCE and not self.ending.done():
            took = await self.run.steer(words)
            self.stage.emit("ChildSteered", text=words, was_taken=took)

    async def _words(self) -> str:
        """Return the advice of the backend, or an empty text if the backend fails."""
        seen = canonical_json(write_fields(self.run.telemetry()))
        instruction = write_prompt(self.stage, self.parts.inputs)
        prompt = f"{instruction}\n\n{_ASK}\n\n{seen}"
        self.stage.files.write("prompt.md", prompt)
        answer = await self.parts.backend.answer(self.stage, prompt)
        self.used = self.used + answer.usage
        if isinstance(answer, ModelAnswer):
            self.stage.files.write("response.md", answer.text)
            return answer.text
        self.stage.emit("SteeringFailed", reason=answer.failure_reason or answer.notes)
        return ""

    def _is_to_stop(self) -> bool:
        if self.plan.stop is None:
            return False
        context = self.stage.context.snapshot()
        # Conditions use the status of the child's last stage as `outcome`.
        last = self.seen.last_outcome if self.seen else ""
        status = StageStatus(last) if last else StageStatus.SKIPPED
        return self.plan.stop.holds(make_lookup(status, "", context))

    async def _pause(self) -> None:
        """Wait until the next cycle begins or the child ends."""
        sleeping = asyncio.create_task(self.stage.clock.sleep(self.plan.pause))
        try:
            await asyncio.wait([self.ending, sleeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            await asyncio.gather(sleeping, return_exceptions=True)

    async def _stop(self, why: str, outcome: Outcome) -> Outcome:
        """End the child, and return the outcome of the stage."""
        return self._conclude(await self.run.stop(why), outcome)

    def _ended(self, end: ChildEnd) -> Outcome:
        if end.status.is_success:
            return self._conclude(end, Outcome(end.status, notes="Child completed"))
        return self._conclude(end, failure(f"Child failed: {end.reason}", FailureClass.VERDICT))

    def _conclude(self, end: ChildEnd, outcome: Outcome) -> Outcome:
        self._take_in(self.run.telemetry())
        record_child_end(self.stage, self.run, end)
        return replace(outcome, usage=end.usage + self.used)


part = ManagerLoop
