"""An exhausted budget stops the running stage, and its usage counts once (R12)."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.engine.budgets import NO_BUDGETS, Budgets, budgets_from_record, budgets_to_record
from attractor.engine.journal.events import OperatorAction
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage, success
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.runner import Runner
from attractor.engine.seams import Stage, Stopped
from attractor.engine.storage.json_files import Fields
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, end, graph, line, node, start
from tests.engine.runs import Work, Workplace
from tests.tables import table

CALL = Usage(30, 10, 0.5)
ALL = Usage(120, 40, 2.0)


@dataclass
class TurnedClock:
    """A clock that only `turn` advances; `sleep` returns at once."""

    time: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class ModelCalls:
    """A stage that calls a model; `says` decides whether its outcome contains the usage."""

    calls: int = 4
    says: bool = True
    made: list[str] = field(default_factory=list[str])

    async def __call__(self, stage: Stage) -> Outcome:
        for _ in range(self.calls):
            stage.spending.require_budget()
            stage.spending.use(CALL)
            self.made.append(stage.id)
        return Outcome(StageStatus.SUCCESS, usage=ALL if self.says else NOTHING_USED)


def place_of(root: Path, work: Outcome | Work, **budgets: Plain) -> Workplace:
    return Workplace(root / "run", line("work", **budgets), {"work": work})


def with_budgets(place: Workplace, budgets: Budgets) -> RunResult:
    async def walk(run: OpenRun) -> RunResult:
        runner = Runner(
            place.graph, run, handlers=place.handlers, workspace=place.workspace, budgets=budgets
        )
        return await runner.run()

    with place.open() as run:
        return asyncio.run(walk(run))


def test_used_up_budget_stops_the_run_between_two_attempts(tmp_path: Path) -> None:
    busy = Outcome(StageStatus.RETRY, failure_reason="busy", usage=CALL)
    work = node("work", max_retries=5, retry_policy="none")
    of = graph([start(), end(), work], chain("start", "work", "exit"), max_tokens=100)
    place = Workplace(tmp_path / "run", of, {"work": busy})
    assert "the budget max_tokens is exhausted: 120 of 100" in place.run().reason
    assert place.handler.calls[-1] == ("work", 1, 3)
    with_budgets(place, Budgets(tokens=10_000))
    # The resumed run starts with the next attempt; no attempt is repeated.
    assert [attempt for id_, _, attempt in place.handler.calls if id_ == "work"] == [*range(1, 7)]


def test_canceled_run_counts_usage_of_its_stage(tmp_path: Path) -> None:
    place = place_of(tmp_path, ModelCalls(), max_tokens=100)
    place.run()
    with place.open() as run:
        run.record(OperatorAction("cancel", "a test", ""), sync=True)
        end_run(run)
    assert place.json("final.json")["usage"] == {
        "input_tokens": 90,
        "output_tokens": 30,
        "cost_usd": 1.5,
    }


def test_time_without_process_does_not_count(tmp_path: Path) -> None:
    clock = TurnedClock()
    lives = 0

    async def work(stage: Stage) -> Outcome:
        nonlocal lives
        lives += 1
        clock.turn(2)
        stage.emit("Sign")
        clock.turn(1)
        if lives < 3:
            raise Stopped("the process ends here") from OSError("gone")
        return success()

    place = place_of(tmp_path, work)
    place.clock = clock
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            place.run()
        clock.turn(1000)
    with place.open() as run:
        # The last event of each process was written two seconds after its start.
        assert run.state.seconds(clock.now()) == 4
    assert str(place.run().outcome) == "success"
    assert place.json("final.json")["seconds"] == 7
    assert [one.data["heard"] for one in place.events("RunResumed")] == [
        one.time.isoformat() for one in place.events("Sign")[:2]
    ]


@table("budgets", [NO_BUDGETS, Budgets(0.0, 1, timedelta()), Budgets(tokens=5)])
def test_budgets_are_read_back_as_they_were_written(budgets: Budgets) -> None:
    assert budgets_from_record(Fields(budgets_to_record(budgets), "x")) == budgets


SECOND = timedelta(seconds=1)


def test_lesser_of_two_budgets_applies() -> None:
    ours, theirs = Budgets(2.0, 100, None), Budgets(3.0, 50, SECOND)
    assert ours.within(theirs) == theirs.within(ours) == Budgets(2.0, 50, SECOND)
    assert ours.within(NO_BUDGETS) == NO_BUDGETS.within(ours) == ours
    # A budget of 0 is used up, but it is a budget.
    assert Budgets(tokens=0).within(ours).tokens == 0


def test_remaining_budget_subtracts_usage(tmp_path: Path) -> None:
    left: list[Budgets] = []

    async def look(stage: Stage) -> Outcome:
        left.append(Budgets(5.0, 100, timedelta(hours=1)).remaining_after(run))
        left.append(NO_BUDGETS.remaining_after(run))
        return Outcome(StageStatus.SUCCESS, usage=Usage(1, 1, 1.0))

    spent = Outcome(StageStatus.SUCCESS, usage=Usage(30, 10, 0.5))
    place = Workplace(tmp_path / "run", line("a", "look"), {"a": spent, "look": look})
    with place.open() as run:
        asyncio.run(place.runner(run).run())
        seconds = run.progress.seconds
    assert left[0].cost_usd == 4.5
    assert left[0].tokens == 60
    assert left[0].duration is not None
    assert timedelta(hours=1) - timedelta(seconds=seconds) <= left[0].duration < timedelta(hours=1)
    assert left[1] == NO_BUDGETS
