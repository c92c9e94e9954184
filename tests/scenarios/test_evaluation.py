import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from attractor.base.errors import MachineryError
from attractor.scenarios.evaluation import (
    EarlierTrials,
    TrialKey,
    TrialResult,
    count_trials,
    evaluate,
)
from attractor.scenarios.suite import CheckSpec, CommandStep, Scenario


def scenario(name: str) -> Scenario:
    step = CommandStep(name="go", run="true")
    return Scenario(
        id=name, title=name, story=name, steps=(step,), checks=(CheckSpec(kind="exit"),)
    )


def always(key: TrialKey, attempt: int) -> bool:
    return True


class Log:
    """Keeps what an evaluation writes, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, key: TrialKey) -> None:
        self.lines.append(f"started {key.scenario} {key.number}")

    def troubled(self, key: TrialKey, trouble: str) -> None:
        self.lines.append(f"troubled {key.scenario} {key.number}: {trouble}")

    def completed(self, result: TrialResult) -> None:
        self.lines.append(f"completed {result.key.scenario} {result.key.number}")


def run(
    verdict: Callable[[TrialKey, int], bool],
    *,
    trials: int = 2,
    infra_retries: int = 1,
    earlier: EarlierTrials | None = None,
) -> tuple[list[TrialResult], Log, Counter[TrialKey]]:
    log, played = Log(), Counter[TrialKey]()

    async def play_scenario(scenario: Scenario, key: TrialKey) -> TrialResult:
        played[key] += 1
        return TrialResult(key, verdict(key, played[key]), (), 1)

    both = [scenario("a"), scenario("b")]
    results = asyncio.run(
        evaluate(
            both, play_scenario, log, trials=trials, infra_retries=infra_retries, earlier=earlier
        )
    )
    return results, log, played


def test_every_trial_is_played_once_and_written_before_the_next() -> None:
    results, log, _ = run(lambda key, _: key.scenario == "a")
    assert [(one.key.scenario, one.key.number, one.satisfied) for one in results] == [
        ("a", 1, True),
        ("a", 2, True),
        ("b", 1, False),
        ("b", 2, False),
    ]
    assert log.lines == [
        f"{what} {name} {number}"
        for name in "ab"
        for number in (1, 2)
        for what in ("started", "completed")
    ]


def test_no_red_trial_gets_a_second_try() -> None:
    _, _, played = run(lambda key, attempt: attempt > 1)
    assert set(played.values()) == {1}


def test_trouble_of_the_machinery_is_tried_again_and_then_counts_as_an_error() -> None:
    def trouble(key: TrialKey, attempt: int) -> bool:
        if key == TrialKey("a", 1) and attempt == 1:
            raise MachineryError("no sandbox")
        if key == TrialKey("b", 2):
            raise OSError("disk full")
        return True

    results, log, played = run(trouble)
    by_key = {one.key: one for one in results}
    assert (by_key[TrialKey("a", 1)].satisfied, by_key[TrialKey("a", 1)].retries) == (True, 1)
    lost = by_key[TrialKey("b", 2)]
    assert (lost.satisfied, lost.error, lost.retries) == (False, "disk full", 1)
    assert played[TrialKey("b", 2)] == 2
    assert "troubled a 1: no sandbox" in log.lines


def test_what_was_finished_before_a_crash_is_not_played_again() -> None:
    done = TrialKey("a", 1)
    earlier = EarlierTrials({done: TrialResult(done, False, (), 5)}, Counter({done: 1}))
    results, _, played = run(always, earlier=earlier)
    assert played[done] == 0
    assert not results[0].satisfied
    assert len(results) == 4


@pytest.mark.parametrize(("begun", "tries"), [(1, 1), (2, 0), (3, 0)])
def test_a_trial_in_flight_at_the_crash_counts_as_trouble(begun: int, tries: int) -> None:
    flying = TrialKey("a", 1)
    results, _, played = run(always, earlier=EarlierTrials(begun=Counter({flying: begun})))
    assert played[flying] == tries
    assert results[0].satisfied == bool(tries)
    assert bool(results[0].error) == (not tries)


def test_trials_are_counted_by_scenario() -> None:
    results, _, _ = run(lambda key, _: key.scenario == "a" or key.number == 1)
    counts = {
        one.scenario: (one.played, one.satisfied) for one in count_trials([scenario("b")], results)
    }
    assert counts == {"b": (2, 1)}
