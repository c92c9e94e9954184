import asyncio
from datetime import timedelta
from pathlib import Path

from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.outcome import Outcome, StageStatus, Usage
from attractor.engine.seams import Stage
from tests.engine.graphs import line
from tests.engine.runs import Workplace

SECOND = timedelta(seconds=1)


def test_of_two_budgets_the_lesser_one_holds() -> None:
    ours, theirs = Budgets(2.0, 100, None), Budgets(3.0, 50, SECOND)
    assert ours.within(theirs) == theirs.within(ours) == Budgets(2.0, 50, SECOND)
    assert ours.within(NO_BUDGETS) == NO_BUDGETS.within(ours) == ours
    # What is used up is a budget, too.
    assert Budgets(tokens=0).within(ours).tokens == 0


def test_remaining_budget_subtracts_usage(tmp_path: Path) -> None:
    left: list[Budgets] = []

    async def look(stage: Stage) -> Outcome:
        left.append(Budgets(5.0, 100, timedelta(hours=1)).left_by(run))
        left.append(NO_BUDGETS.left_by(run))
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
