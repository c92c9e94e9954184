import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from attractor.base.clock import ManualClock
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.engine.seams import ChildEnd, ModelAnswer, Parked, Stage, Telemetry
from attractor.language.source.syntax_tree import Plain
from tests.engine.children import GivenChildren, Plot
from tests.handlers.stages import NOW, Play, Saying, graph, node
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio

COST = Usage(10, 2, 0.5)
SAID = Usage(100, 20)
DONE = ChildEnd(StageStatus.SUCCESS, "completed", usage=COST)
FAILED = ChildEnd(StageStatus.FAIL, "the tests are red", usage=COST)
POLL = timedelta(seconds=45)
STEER = "observe,steer,wait"
NOTHING_MORE: Mapping[str, Plain] = {}


@dataclass
class Supervisor(Saying):
    """A backend with given answers, which repeats the last one."""

    lines: list[Outcome | str] = field(default_factory=list[Outcome | str])

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        raise AssertionError("a supervisor has no tools")

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        self.prompts.append(prompt)
        said = self.lines[min(len(self.prompts), len(self.lines)) - 1]
        return ModelAnswer(said, SAID) if isinstance(said, str) else replace(said, usage=SAID)


@dataclass
class Scene:
    """A running manager, with a clock that the test advances."""

    it: Play
    plot: Plot
    children: GivenChildren
    clock: ManualClock
    working: "asyncio.Task[Outcome]"
    supervisor: Supervisor

    async def cycle(self, times: int = 1, by: timedelta = POLL) -> None:
        """Let a number of pauses pass."""
        for _ in range(times):
            await self.clock.until_asleep()
            await self.clock.turn(by)

    async def outcome(self) -> Outcome:
        return await self.working

    def looks(self) -> list[tuple[Json, Json]]:
        """Return the cycles with a change, and the node at that time."""
        seen: list[tuple[Json, Json]] = []
        for kind, data in self.it.events.all:
            if kind == "ChildObserved" and isinstance(data["child"], dict):
                seen.append((data["cycle"], data["child"]["node"]))
        return seen


@asynccontextmanager
async def scene(
    plot: Plot,
    plain: Mapping[str, Plain] = NOTHING_MORE,
    *lines: Outcome | str,
    prompt: str = "Speak up when it strays from $goal",
    of_graph: Mapping[str, Plain] = NOTHING_MORE,
) -> AsyncGenerator[Scene]:
    """Let a manager run while a test acts on it."""
    clock, children = ManualClock(NOW), GivenChildren({"inner.dot": plot})
    dotted = {"stack.child_dotfile": "inner.dot", "goal": "the plan", **of_graph}
    manager = node("it", **{"type": "stack.manager_loop", "prompt": prompt, **plain})
    pipeline = graph(manager, **dotted)
    supervisor = Supervisor("", lines=[*lines, "NOTHING"])
    it = Play(pipeline, "it", backend=supervisor, children=children, clock=clock)
    working = asyncio.create_task(it.execute())
    while "it@1.1" not in children.begun and not working.done():
        await asyncio.sleep(0)
    begun = children.begun.get("it@1.1", plot)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield Scene(it, begun, children, clock, working, supervisor)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def seen(*nodes: str) -> list[Telemetry]:
    return [Telemetry("running", node=one, completed=n) for n, one in enumerate(nodes)]


async def test_end_of_the_child_ends_the_wait() -> None:
    async with scene(Plot(DONE)) as it:
        await it.clock.until_asleep()
        it.plot.is_open.set()
        outcome = await it.outcome()
        assert (outcome.status, outcome.notes) == (StageStatus.SUCCESS, "Child completed")
        assert outcome.usage == COST
        assert it.clock.sleepers == 0
        assert it.it.events.kinds[-1] == "ChildRunEnded"


async def test_a_child_that_failed_is_a_verdict_with_its_reason() -> None:
    async with scene(Plot(FAILED)) as it:
        it.plot.is_open.set()
        outcome = await it.outcome()
        assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.VERDICT)
        assert outcome.failure_reason == "Child failed: the tests are red"
        assert outcome.usage == COST


async def test_observed_state_is_in_context_and_recorded_if_new() -> None:
    plan, build = seen("plan", "build")
    async with scene(Plot(DONE, seen=[plan, plan, build])) as it:
        await it.clock.until_asleep()
        assert it.it.context.get("stack.child.node") == "plan"
        assert it.it.context.get("stack.child.status") == "running"
        await it.cycle(3)
        await it.clock.until_asleep()
        assert it.it.context.get("stack.child.node") == "build"
        assert it.it.context.get("stack.child.completed") == 1
        assert it.looks() == [(1, "plan"), (3, "build")]
        it.plot.is_open.set()
        await it.outcome()
        written = it.it.context.written()
        assert written["stack.child.status"] == "completed"
        assert written["stack.child.outcome"] == "success"
        assert written["stack.child.run_id"] == "01JZ00000000000000000CH11D"


@table(
    "condition",
    [
        "context.stack.child.node=b",
        "stack.child.completed=1",
        "outcome=fail && context.stack.child.node=b",
    ],
)
async def test_when_the_stop_condition_holds_the_child_is_stopped(condition: str) -> None:
    first, second = seen("a", "b")
    plot = Plot(DONE, seen=[first, replace(second, last_outcome="fail")])
    async with scene(plot, {"manager.stop_condition": condition}) as it:
        await it.cycle()
        outcome = await it.outcome()
        assert (outcome.status, outcome.notes) == (StageStatus.SUCCESS, "Stop condition satisfied")
        assert it.plot.stopped == "canceled by it@1.1: its stop condition is true"
        assert it.it.context.get("stack.child.status") == "stopped"
        # The cost of its work counts nevertheless.
        assert outcome.usage == Usage(10, 2)


async def test_the_end_of_the_child_counts_before_the_stop_condition() -> None:
    async with scene(
        Plot(DONE), {"manager.stop_condition": "context.stack.child.status=completed"}
    ) as it:
        it.plot.is_open.set()
        outcome = await it.outcome()
        assert outcome.notes == "Child completed"
        assert it.it.events.kinds.count("ChildObserved") == 2


async def test_after_the_last_cycle_the_child_is_stopped_and_the_stage_fails() -> None:
    async with scene(Plot(DONE), {"manager.max_cycles": 3}) as it:
        await it.cycle(2)
        assert not it.working.done()
        await it.cycle()
        outcome = await it.outcome()
        assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.VERDICT)
        assert outcome.failure_reason == "Max cycles exceeded"
        assert it.plot.stopped == "canceled by it@1.1: max cycles exceeded"


async def test_a_child_that_ends_in_the_last_pause_has_ended() -> None:
    async with scene(Plot(DONE), {"manager.max_cycles": 1}) as it:
        await it.clock.until_asleep()
        it.plot.is_open.set()
        assert (await it.outcome()).notes == "Child completed"
        assert it.plot.stopped == ""


async def test_advice_of_backend_is_passed_to_child() -> None:
    plot = Plot(DONE, takes_words=True)
    async with scene(plot, {"manager.actions": STEER}, "Read the plan again") as it:
        await it.cycle()
        await it.clock.until_asleep()
        assert it.plot.messages == ["Read the plan again"]
        [prompt] = it.supervisor.prompts
        assert prompt.startswith("Speak up when it strays from the plan\n\n")
        assert '"node":"build"' in prompt
        assert it.it.files.texts == {"prompt.md": prompt, "response.md": "Read the plan again"}
        said = ("ChildSteered", {"text": "Read the plan again", "was_taken": True})
        assert said in it.it.events.all
        it.plot.is_open.set()
        assert (await it.outcome()).usage == COST + SAID


@table("said", ["NOTHING", " NOTHING.\n", "", failure("rate limit")])
async def test_silence_of_backend_steers_nothing(said: Outcome | str) -> None:
    async with scene(Plot(DONE), {"manager.actions": STEER}, said) as it:
        await it.cycle()
        await it.clock.until_asleep()
        assert (len(it.supervisor.prompts), it.plot.messages) == (1, [])
        has_failed = isinstance(said, Outcome)
        assert (("SteeringFailed", {"reason": "rate limit"}) in it.it.events.all) is has_failed
        it.plot.is_open.set()
        # The cost of the call counts, also without a result.
        assert (await it.outcome()).usage == COST + SAID


@table(("cooldown", "asked"), [("0s", 4), ("100s", 1), ("90s", 2), ("1h", 0)])
async def test_cooldown_limits_how_often_the_manager_steers(cooldown: str, asked: int) -> None:
    plain = {"manager.actions": STEER, "manager.steer_cooldown": cooldown}
    async with scene(Plot(DONE), plain, "Go on", "Go on", "Go on", "Go on", "Go on", "Go on") as it:
        await it.clock.until_asleep()
        before = len(it.supervisor.prompts)
        await it.cycle(4)
        await it.clock.until_asleep()
        assert len(it.supervisor.prompts) - before == asked


@table(("prompt", "actions"), [("", STEER), ("Speak up", "observe,wait"), ("Speak up", "")])
async def test_manager_without_steer_asks_no_backend(prompt: str, actions: str) -> None:
    async with scene(Plot(DONE), {"manager.actions": actions}, "Go on", prompt=prompt) as it:
        await it.cycle(3)
        await it.clock.until_asleep()
        assert it.supervisor.prompts == []


async def test_without_the_action_wait_the_next_poll_follows_soon() -> None:
    async with scene(Plot(DONE, seen=seen(*"abcdef")), {"manager.actions": "observe"}) as it:
        await it.cycle(3, timedelta(milliseconds=100))
        await it.clock.until_asleep()
        assert [cycle for cycle, _ in it.looks()] == [1, 2, 3, 4]


async def test_question_of_child_is_asked_for_its_stage() -> None:
    asked = Question("gate@1.1", "Go on?", QuestionKind.FREEFORM, (Option("Y", "Yes"),), "gate")
    async with scene(Plot(DONE, asks=Parked(asked))) as it:
        with pytest.raises(Parked) as parked:
            await it.outcome()
        assert parked.value.question == replace(asked, id="it@1.1/gate@1.1")


@table(
    ("plain", "of_graph", "message"),
    [
        ({}, {"stack.child_dotfile": ""}, "the manager has no child pipeline"),
        ({}, {"stack.child_dotfile": "no.dot"}, "no.dot: cannot read no.dot"),
        ({}, {"stack.child_workdir": "sub"}, "stack.child_workdir is not supported"),
        ({"stack.child_autostart": "false"}, {}, "stack.child_autostart=false is not supported"),
        ({"manager.actions": "observ,wait"}, {}, "unknown action 'observ' (did you mean observe?)"),
        ({"manager.poll_interval": "soon"}, {}, "soon"),
        ({"manager.steer_cooldown": "soon"}, {}, "soon"),
        ({"manager.stop_condition": "a=="}, {}, "manager.stop_condition: unknown operator =="),
    ],
)
async def test_unsupported_attributes_are_pipeline_faults(
    plain: dict[str, Plain], of_graph: dict[str, Plain], message: str
) -> None:
    async with scene(Plot(DONE), plain, of_graph=of_graph) as it:
        outcome = await it.outcome()
        assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.PIPELINE)
        assert message in outcome.failure_reason
        assert it.children.started == []


async def test_canceled_manager_halts_its_child() -> None:
    async with scene(Plot(DONE)) as it:
        await it.clock.until_asleep()
        it.working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await it.working
        assert (it.children.halted, it.clock.sleepers) == (["it@1.1"], 0)
        # This task, and the one that keeps its time.
        assert len(asyncio.all_tasks()) == 2
