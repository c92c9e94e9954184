"""Contract of Handler: every handler, and the fakes of the engine's tests."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor.base.json import canonical_json
from attractor.base.processes import ExecResult
from attractor.base.registry import find_shortcoming
from attractor.engine.context import Context
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.questions.question import Answer, Question, ask_each
from attractor.engine.seams import Handler, ModelAnswer, Parts, Stage
from attractor.environments.environment import ExecutionEnvironment
from attractor.handlers.registry import handler_registry
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.pipeline.project.custom_parts import adapt_handler
from tests.engine.children import GivenChildren, Plot
from tests.engine.runs import FAIL, Nothing, Scripted
from tests.handlers.stages import Person, Play, Saying, Shell, edge, graph, node
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Theirs:
    """A handler with the arguments of the specification, and not async."""

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        return success(node.label, goal=graph.goal)


REGISTERED = list(handler_registry())


def registered(name: str) -> Handler:
    return handler_registry()[name](Parts(Saying("größe 🐍"), Person(["A"] * 40)))


MAKE: dict[str, Callable[[], Handler]] = {
    **{name: (lambda name=name: registered(name)) for name in REGISTERED},
    "handed in": lambda: adapt_handler("custom", Theirs()),
    "stand-in, nothing": Nothing,
    "stand-in, success": Scripted,
    "stand-in, fail": lambda: Scripted({"it": FAIL}),
}
everybody = table("name", list(MAKE))

WAYS = (edge("it", "on", label="A"), edge("it", "back", label="[B] Größe 🐍"))
FULL = node(
    "it",
    prompt="Do $goal 🐍",
    tool_command="make größe",
    label="Größe",
    goal_gate=True,
    file="größe.dot",
    duration="0s",
)
PIPELINES = {
    "full": graph(FULL, *WAYS, goal="größe", stack__child_dotfile="größe.dot"),
    "bare": Graph("", {"it": Node("it")}),
    "no ways": graph(FULL),
    "alike": graph(FULL, *(edge("it", "on", label="A") for _ in range(3)), edge("it", "it")),
    "big": graph(
        node("it", prompt="x" * 500_000, tool_command="x" * 500_000, label="x" * 500_000),
        *(edge("it", f"n{number}", label="y" * 1000) for number in range(200)),
    ),
}
pipelines = table("pipeline", PIPELINES.values(), ids=list(PIPELINES))


def stage_of(
    pipeline: Graph, *, visit: int = 1, place: ExecutionEnvironment | None = None
) -> Stage:
    said = Shell(ExecResult("größe\n" * 10_000, "err\ufffd", 0, False, 1))
    children = GivenChildren({"größe.dot": Plot().opened()})
    return Play(pipeline, "it", environment=place or said, visit=visit, children=children).stage


def run(scene: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scene, PATIENCE_S))


def require_sound(outcome: Outcome) -> None:
    """Require an outcome that can be recorded, with a reason if it is a failure."""
    assert isinstance(outcome, Outcome)
    canonical_json(outcome.context_updates)
    assert all(isinstance(one, str) for one in outcome.suggested_next_ids)
    assert outcome.status in (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS) or (
        outcome.failure_reason
    )


@everybody
def test_part_is_a_handler(name: str) -> None:
    assert find_shortcoming(MAKE[name](), Handler) == ""
    assert inspect.iscoroutinefunction(MAKE[name]().execute)


@everybody
@pipelines
def test_stage_has_an_outcome_and_changes_no_graph(name: str, pipeline: Graph) -> None:
    before = repr(pipeline)
    require_sound(run(MAKE[name]().execute(stage_of(pipeline))))
    assert repr(pipeline) == before


@everybody
async def test_stages_at_the_same_time_do_not_mix(name: str) -> None:
    handler = MAKE[name]()
    stages = [stage_of(PIPELINES["full"], visit=visit) for visit in range(1, 9)]
    at_once = await asyncio.gather(*map(handler.execute, stages))
    at_once, alone = (list(at_once), await handler.execute(stage_of(PIPELINES["full"])))
    assert at_once == [alone] * 8


@everybody
def test_suggested_targets_and_labels_exist(name: str) -> None:
    for pipeline in PIPELINES.values():
        outcome = run(MAKE[name]().execute(stage_of(pipeline)))
        ways: tuple[Edge, ...] = tuple(pipeline.outgoing("it"))
        assert set(outcome.suggested_next_ids) <= {one.target for one in ways}
        assert outcome.preferred_label in ("", *(one.label for one in ways))


class Stuck:
    """Base of stand-ins that never return; sets events when a call begins and is canceled."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.left = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


class StuckBackend(Stuck):
    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        await self.wait()
        return ""

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        await self.wait()
        return ModelAnswer("")

    async def steer(self, stage_id: str, text: str) -> bool:
        return False


class StuckPerson(Stuck):
    async def ask(self, question: Question) -> Answer:
        await self.wait()
        raise AssertionError("nobody answers")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...


class StuckShell(Shell, Stuck):
    def __init__(self) -> None:
        Shell.__init__(self)
        Stuck.__init__(self)

    async def exec_command(self, command: str, **how: object) -> ExecResult:
        await self.wait()
        return self.result


@table("name", ["codergen", "prompt", "tool", "wait.human"])
async def test_canceled_stage_cancels_its_waits(name: str) -> None:
    backend, person, shell = StuckBackend(), StuckPerson(), StuckShell()
    stuck: Stuck = {"tool": shell, "wait.human": person}.get(name, backend)
    handler = handler_registry()[name](Parts(backend, person))
    working = asyncio.create_task(handler.execute(stage_of(PIPELINES["full"], place=shell)))
    await asyncio.wait_for(stuck.reached.wait(), PATIENCE_S)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert stuck.left.is_set()
