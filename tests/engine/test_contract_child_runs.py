"""Contract of ChildRuns: real child runs, and the fake."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.base.registry import find_shortcoming
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.engine.seams import Child, ChildEnd, ChildRun, ChildRuns, Parked, Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from tests.engine.children import GivenChildren, Plot
from tests.patience import until
from tests.pipeline.families import Family, family

pytestmark = pytest.mark.anyio

NAME = "it@1.1"
GATE = Question(
    "gate@1.1", "Ship it?", QuestionKind.MULTIPLE_CHOICE, (Option("Y", "[Y] Yes"),), "gate"
)


@dataclass
class Real:
    """Real child runs, whose stages are commands; slow commands run until `let` is called."""

    family: Family

    @property
    def runs(self) -> ChildRuns:
        return self.family.children

    @property
    def workspace(self) -> Workspace:
        return self.family.workspace

    def let(self) -> None:
        self.family.write("go", "")

    def answer(self, question: str) -> None:
        self.family.answers[question] = "Y"


@dataclass
class Given:
    """Fake child runs with given ends."""

    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    runs: GivenChildren = field(init=False)
    workspace: Workspace = field(default_factory=NoWorkspace)

    def __post_init__(self) -> None:
        self.runs = GivenChildren(
            {
                "good.dot": Plot().opened(),
                "bad.dot": Plot(ChildEnd(StageStatus.FAIL, "red")).opened(),
                "slow.dot": Plot(is_open=self.is_open),
                "asks.dot": Plot(asks=Parked(GATE)).opened(),
            }
        )

    def let(self) -> None:
        self.is_open.set()

    def answer(self, question: str) -> None:
        self.runs.answered = True


@dataclass
class AnyRuns:
    """Real or fake child runs, and short names for their operations."""

    home: Real | Given

    @property
    def runs(self) -> ChildRuns:
        return self.home.runs

    def start(
        self, file: str, name: str = NAME
    ) -> AbstractAsyncContextManager[ChildRun, bool | None]:
        return self.home.runs.start(Child(name, file), self.home.workspace)

    async def end(self, file: str, name: str = NAME) -> ChildEnd:
        async with self.start(file, name) as run:
            return await run.wait()


@pytest.fixture(params=["real", "given"])
async def it(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[AnyRuns]:
    if request.param == "given":
        yield AnyRuns(Given())
        return
    with family(tmp_path) as parent:
        yield AnyRuns(Real(parent))


async def test_children_are_run(it: AnyRuns) -> None:
    assert find_shortcoming(it.runs, ChildRuns) == ""
    assert not it.runs.has(NAME)
    async with it.start("good.dot") as run:
        assert find_shortcoming(run, ChildRun) == ""
        assert it.runs.has(NAME)
        assert run.run_id
        assert run.directory.is_absolute()
        assert run.graph.starts
    assert it.runs.has(NAME)
    assert not it.runs.has("it@1.2")


async def test_child_has_its_own_end(it: AnyRuns) -> None:
    good = await it.end("good.dot")
    assert (good.status, good.reason) == (StageStatus.SUCCESS, "completed")
    bad = await it.end("bad.dot", "größe 🐍@1.1")
    assert bad.status is StageStatus.FAIL
    assert bad.reason


async def test_ended_child_stays_ended(it: AnyRuns) -> None:
    for file, name in (("good.dot", NAME), ("bad.dot", "it@1.2")):
        first = await it.end(file, name)
        assert await it.end(file, name) == first
        async with it.start(file, name) as run:
            assert await asyncio.gather(*(run.wait() for _ in range(3))) == [first] * 3
            assert await run.stop("too late") == first
            assert not await run.steer("hurry")
        assert await it.end(file, name) == first


async def test_canceled_wait_can_be_repeated(it: AnyRuns) -> None:
    async with it.start("slow.dot") as run:
        waiting = asyncio.create_task(run.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        it.home.let()
        assert (await run.wait()).status is StageStatus.SUCCESS


async def test_left_child_halts_and_resumes(it: AnyRuns) -> None:
    async with it.start("slow.dot") as run:
        await until(lambda: run.telemetry().node not in ("", "start"))
        first = run.run_id
    async with it.start("slow.dot") as run:
        assert run.run_id == first
        it.home.let()
        assert (await run.wait()).status is StageStatus.SUCCESS


async def test_error_in_block_is_raised_unchanged(it: AnyRuns) -> None:
    with pytest.raises(ZeroDivisionError):
        async with it.start("slow.dot"):
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with it.start("bad.dot", "it@1.2"):
            raise ZeroDivisionError


async def test_stopped_child_has_ended(it: AnyRuns) -> None:
    async with it.start("slow.dot") as run:
        await until(lambda: run.telemetry().node not in ("", "start"))
        stopped = await run.stop("it takes too long")
        assert stopped.status is StageStatus.FAIL
        assert stopped.reason == f"canceled by {NAME}: it takes too long"
        assert run.telemetry().status == "stopped"
        assert await run.wait() == stopped
    assert await it.end("slow.dot") == stopped


async def test_question_of_child_has_id_of_parent_stage(it: AnyRuns) -> None:
    for _ in range(2):
        with pytest.raises(Parked) as parked:
            await it.end("asks.dot")
        asked = parked.value.question
        assert (asked.id, asked.text, asked.stage) == (f"{NAME}/gate@1.1", "Ship it?", "gate")
        assert asked.options[0].key == "Y"
    it.home.answer(f"{NAME}/gate@1.1")
    assert (await it.end("asks.dot")).status is StageStatus.SUCCESS


async def test_telemetry_follows_child(it: AnyRuns) -> None:
    async with it.start("slow.dot") as run:
        await until(lambda: run.telemetry().node not in ("", "start"))
        seen = run.telemetry()
        assert (seen.status, seen.outcome, seen.reason) == ("running", "", "")
        it.home.let()
        await run.wait()
        ended = run.telemetry()
        assert (ended.status, ended.outcome) == ("completed", "success")
    async with it.start("bad.dot", "it@1.2") as run:
        await run.wait()
        assert (run.telemetry().status, run.telemetry().outcome) == ("failed", "fail")


async def test_running_child_can_be_steered(it: AnyRuns) -> None:
    async with it.start("slow.dot") as run:
        await until(lambda: run.telemetry().node not in ("", "start"))
        # A command cannot be steered.
        assert await run.steer("größe 🐍\nhurry") is False
        it.home.let()
        assert (await run.wait()).status is StageStatus.SUCCESS


async def test_children_run_concurrently(it: AnyRuns) -> None:
    names = [f"it@1.{number}" for number in range(1, 5)]
    working = [asyncio.create_task(it.end("slow.dot", name)) for name in names]
    await until(lambda: all(map(it.runs.has, names)))
    it.home.let()
    ends = await asyncio.gather(*working)
    assert {one.status for one in ends} == {StageStatus.SUCCESS}


async def test_invalid_child_is_usage_error_without_leftovers(it: AnyRuns) -> None:
    with pytest.raises(UsageError, match=r"no\.dot"):
        await it.end("no.dot")
    wrong = Child(NAME, "good.dot", {"other": "1"})
    with pytest.raises(UsageError, match="unknown input 'other'"):
        async with it.runs.start(wrong, it.home.workspace):
            pass
    assert not it.runs.has(NAME)
