"""Contract of Spending: the emitter of a run, and spending without limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.engine.budgets import Budgets
from attractor.engine.errors import StageOver
from attractor.engine.outcome import NOTHING_USED, Usage, usage_from_record
from attractor.engine.seams import UNLIMITED, Exhausted, Spending
from attractor.engine.state.attempts import StageReference
from attractor.engine.storage.json_files import Fields
from attractor.engine.walk.attempt import Emitter
from tests.engine.graphs import line
from tests.engine.runs import Workplace

CALL = Usage(30, 10, 0.5)


def journalled(tmp_path: Path) -> Iterator[Spending]:
    place = Workplace(tmp_path / "run", line("a"))
    place.run()
    with place.open() as run:
        yield Emitter(run, StageReference("a", 1, 1))


def nowhere(tmp_path: Path) -> Iterator[Spending]:
    yield UNLIMITED


@pytest.fixture(params=[journalled, nowhere], ids=["journal", "nowhere"])
def spending(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spending]:
    yield from request.param(tmp_path)


@pytest.mark.parametrize("usage", [NOTHING_USED, CALL, Usage(10**12, 10**12, 1e9)])
def test_stage_without_budget_is_not_limited(spending: Spending, usage: Usage) -> None:
    spending.require_budget()
    for _ in range(3):
        with spending.call(usage):
            spending.use(usage)
        spending.require_budget()


def recorded_usage(place: Workplace) -> list[object]:
    return [one.data["usage"] for one in place.events("ModelUsed")]


def test_usage_is_recorded_at_once(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.run()
    signs: list[str] = []

    def heard() -> None:
        signs.append("heard")

    with place.open() as run:
        budgets = Budgets(tokens=100)
        spending = Emitter(run, StageReference("a", 1, 1), budgets=budgets, on_activity=heard)
        spending.use(CALL)
        assert recorded_usage(place) == [{"input_tokens": 30, "output_tokens": 10, "cost_usd": 0.5}]
        assert signs == ["heard"]
        spending.require_budget()
        spending.close()
        with pytest.raises(StageOver):
            spending.use(CALL)
        assert len(recorded_usage(place)) == 1


def test_calls_that_have_not_ended_are_recorded(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.run()
    with place.open() as run:
        spending = Emitter(run, StageReference("a", 1, 1))
        with spending.call(Usage(1)), spending.call(Usage(2)):
            spending.use(CALL)
        with spending.call(Usage(4)):
            spending.close()
    calls = [
        usage_from_record(Fields(one.data, "it").inner("usage")).tokens
        for one in place.events("ModelCalled")
    ]
    assert calls == [1, 3, 1, 0, 4]


def test_exhausted_budget_halts_the_stage(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    with place.open() as run, pytest.raises(Exhausted, match="max_tokens"):
        Emitter(run, StageReference("a", 1, 1), budgets=Budgets(tokens=0)).require_budget()
