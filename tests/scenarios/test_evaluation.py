import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from attractor.base.errors import MachineryError, UsageError, VerificationError
from attractor.engine.outcome import Culprit
from attractor.environments.errors import (
    CommandUnusable,
    FileUnusable,
    NotSupported,
    SandboxNotStarted,
)
from attractor.scenarios.check import CheckResult
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.evaluation import (
    CRASHED,
    Attribution,
    EarlierTrials,
    NoResult,
    Progress,
    TrialKey,
    TrialResult,
    TrialTrouble,
    Trouble,
    count_trials,
    cut_trial,
    evaluate,
    is_satisfied,
    trouble_of,
)
from attractor.scenarios.suite import CheckSpec, CommandStep, RequestStep, Scenario, TrialSettings
from tests.tables import table


def scenario(name: str) -> Scenario:
    step = CommandStep(name="go", run="true")
    return Scenario(
        id=name, title=name, story=name, steps=(step,), checks=(CheckSpec(kind="exit"),)
    )


def always(key: TrialKey, attempt: int) -> bool:
    return True


class Log:
    """Records the calls of an evaluation, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.progress: list[Progress] = []

    def started(self, key: TrialKey) -> None:
        self.lines.append(f"started {key.scenario} {key.number}")

    def troubled(self, key: TrialKey, error: TrialTrouble) -> None:
        self.lines.append(f"troubled {key.scenario} {key.number}: {error.culprit}: {error}")

    def completed(self, result: TrialResult, progress: Progress) -> None:
        self.lines.append(f"completed {result.key.scenario} {result.key.number}")
        self.progress.append(progress)


def run(
    verdict: Callable[[TrialKey, int], bool],
    *,
    trials: int = 2,
    infra_retries: int = 1,
    concurrency: int = 1,
    earlier: EarlierTrials | None = None,
) -> tuple[list[TrialResult], Log, Counter[TrialKey]]:
    log, played = Log(), Counter[TrialKey]()

    async def play_scenario(scenario: Scenario, key: TrialKey) -> TrialResult:
        played[key] += 1
        # Other trials continue here, if there are any.
        await asyncio.sleep(0)
        return TrialResult(key, verdict(key, played[key]), (), 2000, cost_usd=0.5, tokens=10)

    both = [scenario("a"), scenario("b")]
    settings = TrialSettings(n=trials, infra_retries=infra_retries, concurrency=concurrency)
    results = asyncio.run(evaluate(both, play_scenario, log, settings, earlier=earlier))
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
            raise SandboxNotStarted("no sandbox")
        if key == TrialKey("b", 2):
            raise OSError("disk full")
        return True

    results, log, played = run(trouble)
    by_key = {one.key: one for one in results}
    assert (by_key[TrialKey("a", 1)].satisfied, by_key[TrialKey("a", 1)].retries) == (True, 1)
    lost = by_key[TrialKey("b", 2)]
    assert (lost.satisfied, lost.error, lost.retries) == (False, "disk full", 1)
    assert played[TrialKey("b", 2)] == 2
    assert "troubled a 1: machinery: no sandbox" in log.lines


def test_trials_finished_before_a_crash_are_not_repeated() -> None:
    done = TrialKey("a", 1)
    earlier = EarlierTrials({done: TrialResult(done, False, (), 5)})
    results, _, played = run(always, earlier=earlier)
    assert played[done] == 0
    assert not results[0].satisfied
    assert len(results) == 4


def test_trial_that_was_cut_is_neither_played_again_nor_counted() -> None:
    cut = TrialKey("a", 1)
    results, _, played = run(always, earlier=EarlierTrials({cut: cut_trial(cut, CRASHED, 0)}))
    assert (played[cut], played.total()) == (0, 3)
    assert results[0].no_result is NoResult.CUT
    [tally] = count_trials([scenario("a")], results)
    assert (tally.played, tally.satisfied) == (1, 1)


@table(("interruptions", "ended"), [(1, 2), (2, 0)])
def test_first_interruption_lets_trials_in_flight_end_and_the_second_cuts_them(
    interruptions: int, ended: int
) -> None:
    log, told = Log(), list[str]()

    async def play_trial(scenario: Scenario, key: TrialKey) -> TrialResult:
        await asyncio.sleep(0.1)
        return TrialResult(key, True, (), 1)

    async def interrupted() -> None:
        settings = TrialSettings(n=9, concurrency=2)
        task = asyncio.create_task(
            evaluate([scenario("a")], play_trial, log, settings, tell=told.append)
        )
        for _ in range(interruptions):
            await asyncio.sleep(0.02)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    assert log.lines == [
        *("started a 1", "started a 2"),
        *("completed a 1", "completed a 2")[:ended],
    ]
    assert told[0].startswith("Interrupted: no further trial starts, and 2 trials in flight")


def test_trouble_of_the_candidate_before_a_crash_is_not_played_again() -> None:
    key, trouble = TrialKey("a", 1), Trouble(Culprit.CANDIDATE, "The sandbox ended too early")
    earlier = EarlierTrials(troubles={key: (trouble,)})
    results, _, played = run(always, earlier=earlier)
    assert played[key] == 0
    assert (results[0].culprit, results[0].troubles) == (Culprit.CANDIDATE, (trouble,))


def test_trials_are_counted_by_scenario() -> None:
    results, _, _ = run(lambda key, _: key.scenario == "a" or key.number == 1)
    counts = {
        one.scenario: (one.played, one.satisfied) for one in count_trials([scenario("b")], results)
    }
    assert counts == {"b": (2, 1)}


@table("concurrency", [1, 2, 3, 64])
def test_at_most_so_many_trials_run_at_once_and_each_is_recorded_before_another_starts(
    concurrency: int,
) -> None:
    results, log, played = run(always, trials=4, concurrency=concurrency)
    assert [one.key for one in results] == [TrialKey(name, n) for name in "ab" for n in range(1, 5)]
    assert set(played.values()) == {1}
    running = [0]
    for line in log.lines:
        running.append(running[-1] + (1 if line.startswith("started") else -1))
    assert max(running) == min(concurrency, 8)


def test_scenario_with_simultaneous_requests_is_played_alone() -> None:
    statuses = {"200": 9}
    rush = RequestStep(name="rush", port=80, repeat=9, at_once=9, statuses=statuses)
    alone = scenario("a").model_copy(update={"steps": (rush,)})
    log, running = Log(), Counter[str]()

    async def play_trial(scenario: Scenario, key: TrialKey) -> TrialResult:
        running[key.scenario] += 1
        assert key.scenario == "b" or running == {"a": 1, "b": 0}
        await asyncio.sleep(0.01)
        running[key.scenario] -= 1
        return TrialResult(key, True, (), 1)

    settings = TrialSettings(n=3, concurrency=3)
    asyncio.run(evaluate([alone, scenario("b")], play_trial, log, settings))
    assert [line for line in log.lines if line.startswith("completed a")] == log.lines[-5::2]


@table("error", [VerificationError("changed suite"), NotSupported("no ports")])
def test_error_that_no_candidate_can_cause_ends_the_evaluation_after_the_trials_in_flight(
    error: Exception,
) -> None:
    log = Log()

    async def play_trial(scenario: Scenario, key: TrialKey) -> TrialResult:
        await asyncio.sleep(0.01 * key.number)
        if key.number == 2:
            raise error
        return TrialResult(key, True, (), 1)

    settings = TrialSettings(n=9, concurrency=3)
    with pytest.raises(type(error), match=str(error)):
        asyncio.run(evaluate([scenario("a")], play_trial, log, settings))
    assert [line for line in log.lines if line.startswith("completed")] == [
        "completed a 1",
        "completed a 3",
        "completed a 4",
    ]


@table(
    ("error", "culprit", "tries", "no_result"),
    [
        (SandboxNotStarted("no sandbox"), Culprit.MACHINERY, 2, None),
        (OSError("disk full"), Culprit.MACHINERY, 2, None),
        (TrialTrouble("no twin", Culprit.TWIN), Culprit.TWIN, 2, None),
        (MachineryError("out of order"), Culprit.MACHINERY, 1, NoResult.CUT),
        (ZeroDivisionError(), Culprit.MACHINERY, 1, NoResult.CUT),
        (InvalidSuite("no fixture"), Culprit.SUITE, 1, NoResult.CUT),
        (CommandUnusable("NUL"), Culprit.SUITE, 1, NoResult.CUT),
        (FileUnusable("no folder"), Culprit.CANDIDATE, 1, None),
    ],
)
def test_trouble_names_its_culprit_and_only_listed_errors_are_retried(
    error: Exception, culprit: Culprit, tries: int, no_result: NoResult | None
) -> None:
    def fail(key: TrialKey, attempt: int) -> bool:
        raise error

    results, log, played = run(fail, trials=1)
    message = str(error) or repr(error)
    assert {(one.culprit, one.error, one.satisfied, one.no_result) for one in results} == {
        (culprit, message, False, no_result)
    }
    assert set(played.values()) == {tries}
    assert f"troubled a 1: {culprit}: {message}" in log.lines
    assert [one.culprit for one in results[0].troubles] == [culprit] * tries
    assert results[0].cost_usd == tries * getattr(error, "cost_usd", 0.0)
    assert results[0].seed == TrialKey("a", 1).seed(0)


@table(
    ("error", "culprit"),
    [
        (MachineryError("no sandbox"), Culprit.CANDIDATE),
        (OSError(28, "disk full"), Culprit.CANDIDATE),
        (ZeroDivisionError("in a check"), Culprit.CANDIDATE),
        (TrialTrouble("no twin", Culprit.TWIN), Culprit.CANDIDATE),
        (TrialTrouble("unscored", Culprit.MODEL), Culprit.MODEL),
        (InvalidSuite("no fixture"), Culprit.SUITE),
        (NotSupported("no ports"), Culprit.MACHINERY),
    ],
)
def test_trouble_while_the_candidate_runs_counts_against_it(
    error: Exception, culprit: Culprit
) -> None:
    before, during = Attribution(), Attribution()
    during.candidate_runs = True
    with pytest.raises(type(error)), before:
        raise error
    with pytest.raises((TrialTrouble, UsageError)) as caught, during:
        raise error
    assert trouble_of(caught.value).culprit is culprit
    with pytest.raises(VerificationError), during:
        raise VerificationError("changed suite")


def test_cost_of_a_repeated_trial_includes_all_attempts() -> None:
    def once(key: TrialKey, attempt: int) -> bool:
        if attempt == 1:
            raise TrialTrouble("no twin", Culprit.TWIN, cost_usd=0.25, tokens=7)
        return True

    results, _, _ = run(once, trials=1)
    assert (results[0].cost_usd, results[0].tokens, results[0].retries) == (0.75, 17, 1)


def test_progress_counts_finished_trials_and_estimates_the_rest() -> None:
    _, log, _ = run(always, trials=3, concurrency=2)
    counts = [(one.finished, one.trials, one.seconds_left) for one in log.progress]
    assert counts == [(1, 6, 6), (2, 6, 4), (3, 6, 4), (4, 6, 2), (5, 6, 2), (6, 6, 0)]


def test_seed_depends_on_suite_scenario_and_number_only() -> None:
    keys = [TrialKey(name, number) for name in ("a", "b") for number in (1, 2)]
    seeds = {key.seed(suite_seed) for key in keys for suite_seed in (0, 7)}
    assert len(seeds) == 8
    assert TrialKey("a", 1).seed(7) == TrialKey("a", 1).seed(7)


def check(passed: bool, score: float | None = None, *, hard: bool = True) -> CheckResult:
    return CheckResult("exit", passed, float(passed) if score is None else score, "", "", hard)


@table(
    ("checks", "satisfied"),
    [
        ([check(True), check(True)], True),
        ([check(True), check(False)], False),
        ([check(True), check(False, 0.7, hard=False)], True),
        ([check(True), check(False, 0.69, hard=False)], False),
        # The mean counts, so one bad soft check is outweighed.
        ([check(False, 0.4, hard=False), check(True, 1.0, hard=False)], True),
        ([check(False, 0.1, hard=False), check(True, 1.0, hard=False)], False),
        ([check(False), check(True, 1.0, hard=False)], False),
        # Scores are decimal numbers: the mean of the binary fractions would be too small.
        ([check(True, 0.8, hard=False), check(True, 0.6, hard=False)], True),
    ],
)
def test_trial_needs_all_hard_checks_and_enough_of_the_soft_ones(
    checks: list[CheckResult], satisfied: bool
) -> None:
    assert is_satisfied(checks, min_soft_score=0.7) is satisfied


def test_result_survives_its_record() -> None:
    result = TrialResult(
        TrialKey("a", 3),
        False,
        (check(False, 0.25, hard=False),),
        5,
        retries=1,
        error="no twin",
        culprit=Culprit.TWIN,
        seed=2**48 - 1,
        cost_usd=0.5,
        tokens=9,
    )
    assert TrialResult.from_record(result.to_record()) == result
    # The seals of results that were stored before troubles were recorded are still valid.
    assert "troubles" not in result.to_record()
    troubled = replace(result, troubles=(Trouble(Culprit.TWIN, "A twin failed"),) * 2)
    assert TrialResult.from_record(troubled.to_record()) == troubled
    cut = cut_trial(TrialKey("a", 3), CRASHED, 7)
    assert TrialResult.from_record(cut.to_record()) == cut
