"""An exhausted budget stops the running stage, and its usage counts once (R12)."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.engine.budgets import Budgets
from attractor.engine.journal.events import OperatorAction
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage, success
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.runner import Runner
from attractor.engine.seams import Stage, Stopped
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, end, graph, line, node, start
from tests.engine.runs import Work, Workplace

CALL = Usage(30, 10, 0.5)
ALL = Usage(120, 40, 2.0)


@dataclass
class Turnable:
    """A clock that stands still until it is turned; naps last as long as they do."""

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
class Calling:
    """Calls a model so often for each attempt, and says at the end what that used or not."""

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


def test_larger_budget_warns_again(tmp_path: Path) -> None:
    place = place_of(tmp_path, Calling(), max_tokens=100)
    place.run()
    with_budgets(place, Budgets(tokens=300))
    assert [one.data["limit"] for one in place.events("BudgetWarning")] == [100, 300]


def test_failed_attempt_counts_reported_usage(tmp_path: Path) -> None:
    async def work(stage: Stage) -> Outcome:
        stage.spending.use(CALL)
        raise OSError("the wire is cut")

    assert place_of(tmp_path, work).run().usage == Usage(30, 10, 0.5)


def test_between_two_attempts_a_used_up_budget_stops_it_too(tmp_path: Path) -> None:
    busy = Outcome(StageStatus.RETRY, failure_reason="busy", usage=CALL)
    work = node("work", max_retries=5, retry_policy="none")
    of = graph([start(), end(), work], chain("start", "work", "exit"), max_tokens=100)
    place = Workplace(tmp_path / "run", of, {"work": busy})
    assert "the budget max_tokens is exhausted: 120 of 100" in place.run().reason
    assert place.handler.calls[-1] == ("work", 1, 3)
    with_budgets(place, Budgets(tokens=10_000))
    # The attempt that was to come is the next one, and none is made twice.
    assert [attempt for id_, _, attempt in place.handler.calls if id_ == "work"] == [*range(1, 7)]


def test_canceled_run_counts_usage_of_its_stage(tmp_path: Path) -> None:
    place = place_of(tmp_path, Calling(), max_tokens=100)
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
    clock = Turnable()
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
        # Whoever died was heard of two seconds after it began, and not any more.
        assert run.state.seconds(clock.now()) == 4
    assert str(place.run().outcome) == "success"
    assert place.json("final.json")["seconds"] == 7
    assert [one.data["heard"] for one in place.events("RunResumed")] == [
        one.time.isoformat() for one in place.events("Sign")[:2]
    ]
