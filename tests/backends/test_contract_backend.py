"""Contract of all backends, including the stand-in of other tests."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from attractor.backends.agent import Agent
from attractor.backends.models import AgentParts, ModelDefaults
from attractor.backends.registry import BackendParts, OutsideParts, adapt_backend, backend_registry
from attractor.backends.simulate import Simulate
from attractor.base.json import canonical_json
from attractor.config.settings import BackendsSettings, ProgramSettings
from attractor.engine.outcome import Outcome, StageStatus, failure, success
from attractor.engine.seams import Backend, ModelAnswer, Stage
from attractor.engine.simulation.outcomes import SimulatedOutcomes
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.llm.errors import AuthenticationError
from attractor.llm.messages import Message
from attractor.llm.request import Request
from tests.agent.scripted import ScriptedProvider, called, calls, said
from tests.handlers.stages import Play, Saying, graph, node
from tests.patience import PATIENCE_S
from tests.tables import table

NODES = ("plan", "größe", "test")
RED = failure("a test is red")


async def reports_and_ends(request: Request) -> Message:
    """Report the outcome on the first call; end the conversation on the second."""
    if any(part.tool_call for message in request.messages for part in message.content):
        return said("Done.")
    await asyncio.sleep(0)
    return calls(called("report_outcome", {"outcome": "success", "notes": "größe 🐍"}))


async def only_talks(request: Request) -> Message:
    return said("größe 🐍")


async def fails(request: Request) -> Message:
    raise AuthenticationError("the key is wrong", provider="openai", status_code=401)


def agent(*steps: Callable[[Request], object]) -> Backend:
    provider = ScriptedProvider(*(list(steps) * 50))  # pyright: ignore[reportArgumentType]
    parts = AgentParts(client=provider.client(), model="gpt-test", provider="openai")
    return Agent(BackendParts(agent=parts))


def outside(name: str) -> Backend:
    """A backend whose program cannot start, because the environment has no commands."""
    settings = BackendsSettings(
        acp=ProgramSettings(run="true"), command=ProgramSettings(run="true")
    )
    parts = OutsideParts(environ=os.environ, defaults=ModelDefaults(), settings=settings)
    return backend_registry()[name](BackendParts(outside=parts))


MAKE: dict[str, Callable[[], Backend]] = {
    "simulate": lambda: Simulate(BackendParts()),
    "simulate, with outcomes": lambda: Simulate(
        BackendParts(simulate=SimulatedOutcomes({one: (RED, success("green")) for one in NODES}))
    ),
    "agent, reports": lambda: agent(reports_and_ends),
    "agent, talks": lambda: agent(only_talks),
    "agent, refused": lambda: agent(fails),
    **{
        f"{name}, no commands": partial(outside, name)
        for name in ("acp", "claude", "codex", "command", "gemini", "opencode")
    },
    "handed in, text": lambda: adapt_backend(lambda node, prompt, context: "größe 🐍"),
    "handed in, outcome": lambda: adapt_backend(lambda node, prompt, context: RED),
    "stand-in, text": lambda: Saying("größe 🐍"),
    "stand-in, outcome": lambda: Saying(RED),
}
everybody = table("name", list(MAKE))


@dataclass
class Work:
    """Stages run by one backend, one after the other or concurrently."""

    backend: Backend
    plays: list[Play] = field(default_factory=list[Play])

    def stage(self, at: str = "plan", visit: int = 1) -> Stage:
        pipeline = graph(*(node(one, prompt="Do it") for one in NODES))
        play = Play(pipeline, at, environment=MemoryExecutionEnvironment(), visit=visit)
        self.plays.append(play)
        return play.stage

    async def run(self, stage: Stage, prompt: str = "Do it") -> Outcome | str:
        return await asyncio.wait_for(self.backend.run(stage, prompt), PATIENCE_S)

    async def answer(self, stage: Stage, prompt: str = "Say it") -> Outcome | str:
        said = await asyncio.wait_for(self.backend.answer(stage, prompt), PATIENCE_S)
        return said.text if isinstance(said, ModelAnswer) else said


def require_sound(result: Outcome | str) -> None:
    if isinstance(result, str):
        assert result
        return
    canonical_json(result.context_updates)
    assert result.status is not StageStatus.FAIL or result.failure_reason


def test_every_backend_of_the_folder_is_tried_here() -> None:
    assert set(backend_registry()) <= {name.partition(",")[0] for name in MAKE}


@everybody
@table("prompt", ["Do it", "", "größe 🐍 \ud800\n\0", "x" * 500_000])
def test_a_prompt_becomes_an_outcome_or_a_text(name: str, prompt: str) -> None:
    async def scene() -> None:
        work = Work(MAKE[name]())
        require_sound(await work.run(work.stage(), prompt))

    asyncio.run(scene())


@everybody
@table("prompt", ["Say it", "", "größe 🐍 \ud800\n\0", "x" * 500_000])
def test_answer_is_text_or_a_failed_outcome(name: str, prompt: str) -> None:
    async def scene() -> None:
        work = Work(MAKE[name]())
        answered = [await work.answer(work.stage(), prompt) for _ in range(2)]
        assert all(isinstance(one, str) or one.failure_reason or one.notes for one in answered)
        # A message to such a stage reaches nobody: no agent is working.
        assert not await work.backend.steer("plan@1.1", "hurry")

    asyncio.run(scene())


@everybody
def test_backend_answers_during_stages(name: str) -> None:
    async def scene() -> None:
        work = Work(MAKE[name]())
        done = await asyncio.gather(
            work.run(work.stage("plan")), work.answer(work.stage("test")), work.run(work.stage())
        )
        assert len(done) == 3

    asyncio.run(scene())


@everybody
def test_backend_executes_successive_stages(name: str) -> None:
    async def scene() -> None:
        work = Work(MAKE[name]())
        for at, visit in (("plan", 1), ("plan", 2), ("größe", 1), ("plan", 3)):
            require_sound(await work.run(work.stage(at, visit)))

    asyncio.run(scene())


@everybody
@table("nodes", [NODES, ("plan", "plan", "plan")], ids=["several", "same"])
def test_backend_executes_concurrent_stages(name: str, nodes: tuple[str, ...]) -> None:
    async def scene() -> None:
        work = Work(MAKE[name]())
        results = await asyncio.gather(*(work.run(work.stage(at)) for at in nodes))
        for result in results:
            require_sound(result)

    asyncio.run(scene())


@everybody
def test_message_without_a_running_stage_is_refused(name: str) -> None:
    async def scene() -> list[bool]:
        work = Work(MAKE[name]())
        steer = work.backend.steer
        before = [await steer("plan", "hurry"), await steer("", ""), await steer("größe", "🐍")]
        await work.run(work.stage("plan"))
        return [*before, await steer("plan", "hurry"), await steer("no such", "x" * 100_000)]

    assert asyncio.run(scene()) == [False] * 5


@everybody
def test_backend_writes_only_during_its_stage(name: str) -> None:
    async def scene() -> None:
        work = Work(MAKE[name]())
        await work.run(work.stage())
        [play] = work.plays
        before = dict(play.files.texts), list(play.events.all)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (dict(play.files.texts), list(play.events.all)) == before

    asyncio.run(scene())


def test_canceled_stage_accepts_no_messages() -> None:
    begun = asyncio.Event()

    async def hangs(request: Request) -> Message:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def scene() -> None:
        work = Work(agent(hangs))
        working = asyncio.create_task(work.run(work.stage()))
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        assert await work.backend.steer("plan@1.1", "hurry")
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert not await work.backend.steer("plan@1.1", "hurry")

    asyncio.run(scene())


def test_message_reaches_the_remaining_visit_of_a_node() -> None:
    entered = [asyncio.Event(), asyncio.Event()]
    leave = [asyncio.Event(), asyncio.Event()]
    count = iter(range(2))

    async def waits(request: Request) -> Message:
        if any(part.tool_call for message in request.messages for part in message.content):
            return said("Done.")
        number = next(count)
        entered[number].set()
        await leave[number].wait()
        return calls(called("report_outcome", {"outcome": "success"}))

    async def scene() -> None:
        work = Work(agent(waits))
        first = asyncio.create_task(work.run(work.stage("plan")))
        await asyncio.wait_for(entered[0].wait(), PATIENCE_S)
        second = asyncio.create_task(work.run(work.stage("plan", visit=2)))
        await asyncio.wait_for(entered[1].wait(), PATIENCE_S)
        leave[0].set()
        require_sound(await first)
        assert not await work.backend.steer("plan@1.1", "hurry")
        assert await work.backend.steer("plan@2.1", "hurry")
        leave[1].set()
        require_sound(await second)
        assert not await work.backend.steer("plan@2.1", "hurry")

    asyncio.run(scene())
