"""The ranking of a race, the bound that counts its attempts, and its limits."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.errors import Refused
from attractor.base.records import write_fields
from attractor.factory.evaluation.gate import gate
from attractor.factory.history.records import EvaluationPool
from attractor.factory.history.trials import TrialStore
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.operations.race import require_unspent, require_winnable
from attractor.factory.races import (
    GO,
    AttemptResult,
    Race,
    RaceAttempt,
    Stop,
    corrected_confidence,
    count_attempts,
    end_record,
    is_time_decided,
    rank,
    results_of,
    winner_of,
)
from attractor.scenarios.satisfaction import failures_tolerated, lower_bound
from tests.counts import count
from tests.factory.evaluation.test_gate import SEAL, judge, results, rules, scenario, suite

NOW = datetime(2026, 5, 1, tzinfo=UTC)
COMMIT = "c" * 40
RESULTS = st.builds(
    AttemptResult,
    run_id=st.just(""),
    status=st.sampled_from(["awaiting_human", "failed", "canceled"]),
    tree=st.sampled_from("abcd"),
    verdict=st.sampled_from([GO, "no-go", ""]),
    bound=st.sampled_from([0.0, 0.5, 0.9]),
    cost_usd=st.sampled_from([0.0, 0.25, 4.0]),
    changed_lines=st.integers(0, 3),
    changed_files=st.integers(0, 2),
)


def race(*run_ids: str, counted: int = 0, seal: str = SEAL, commit: str = COMMIT) -> Race:
    return Race(
        race_id="R",
        project="p",
        by="ann",
        pipeline="linear@1#0",
        suite=f"todo@1#{seal}",
        profile="",
        commit=commit,
        attempts=[RaceAttempt(one, "simulate") for one in run_ids],
        counted=counted or len(run_ids),
        at_once=1,
        request={},
    )


@settings(max_examples=count(ci=200, full=2000), deadline=None)
@given(table=st.lists(RESULTS, max_size=6), shuffle=st.randoms(use_true_random=False))
def test_order_and_names_of_attempts_never_change_the_ranking(
    table: list[AttemptResult], shuffle: random.Random
) -> None:
    named = [replace(one, run_id=f"run-{number}") for number, one in enumerate(table)]
    ranking = [(one.tree, one.best.merit) for one in rank(named)]
    names = [f"run-{number}" for number in range(len(table))]
    shuffle.shuffle(names)
    others = [replace(one, run_id=name) for one, name in zip(table, names, strict=True)]
    shuffle.shuffle(others)
    assert [(one.tree, one.best.merit) for one in rank(others)] == ranking
    trees = [tree for tree, _ in ranking]
    assert sorted(trees) == sorted({one.tree for one in table if one.verdict})
    assert [merit for _, merit in ranking] == sorted(merit for _, merit in ranking)
    has_go = any(one.verdict == GO for one in table)
    winner = winner_of(named)
    assert (winner is not None) == has_go
    if winner:
        assert winner.best.bound == max(one.bound for one in table if one.verdict == GO)


def test_known_cost_decides_before_size_and_after_the_bound() -> None:
    base = AttemptResult("a", "awaiting_human", "a", GO, bound=0.9, cost_usd=1, changed_lines=5)
    cheaper = replace(base, run_id="b", tree="b", cost_usd=0.5, changed_lines=50)
    surer = replace(base, run_id="c", tree="c", bound=0.95, cost_usd=9)
    failed = replace(base, run_id="d", tree="d", verdict="no-go", bound=0.99)
    equal = replace(cheaper, run_id="e", cost_usd=2)
    unpriced = replace(base, run_id="f", tree="f", cost_usd=0, is_cost_partial=True)
    ranking = rank([equal, failed, unpriced, base, cheaper, surer])
    assert [one.run_ids for one in ranking] == [["c"], ["b", "e"], ["a"], ["f"], ["d"]]


@pytest.mark.parametrize(
    ("stop", "other", "is_decided"),
    [
        (Stop.FIRST_GO, AttemptResult("b", "canceled"), True),
        (Stop.FIRST_GO, AttemptResult("b", "not begun"), True),
        (Stop.FIRST_GO, AttemptResult("b", "failed"), False),
        (Stop.FIRST_GO, AttemptResult("b", "canceled", "b", "no-go"), False),
        (Stop.ALL, AttemptResult("b", "canceled"), False),
    ],
)
def test_time_decides_if_a_first_go_cut_attempts(
    stop: Stop, other: AttemptResult, is_decided: bool
) -> None:
    begun = replace(race("a", "b"), stop=stop)
    won = AttemptResult("a", "awaiting_human", "a", GO)
    assert is_time_decided(begun, [won, other]) == is_decided
    assert not is_time_decided(begun, [replace(won, verdict="no-go"), other])
    assert end_record(begun, [won, other], "ann")["time_decided"] == is_decided


def test_bound_of_a_race_in_which_all_trials_passed() -> None:
    for attempts in (1, 3, 6, 40):
        for trials in (5, 20, 100):
            confidence = corrected_confidence(0.95, attempts)
            bound = lower_bound(trials, trials, confidence=confidence)
            assert bound == pytest.approx((0.05 / attempts) ** (1 / trials), abs=1e-9)


@pytest.mark.parametrize("is_common", [False, True], ids=["independent luck", "common luck"])
def test_at_most_5_percent_of_races_of_bad_attempts_have_a_go(is_common: bool) -> None:
    attempts, trials, wanted = 6, 40, 0.8
    confidence = corrected_confidence(0.95, attempts)
    enough = trials - failures_tolerated(trials, wanted, confidence=confidence)
    luck = random.Random(1)
    races = count(ci=2000, full=20_000)

    def has_go() -> bool:
        return sum(luck.random() < wanted - 1e-9 for _ in range(trials)) >= enough

    with_go = sum(any(has_go() for _ in range(1 if is_common else attempts)) for _ in range(races))
    assert with_go / races <= 0.05


def test_gate_says_how_many_attempts_the_bound_counts() -> None:
    judged = judge(suite(scenario("a"), min_lower_bound=0.6), results(a=[True] * 8))
    assert rules(gate(judged)) == []
    report = gate(replace(judged, race=race("a", "b", "c", counted=6)))
    assert rules(report) == ["lower_bound"]
    assert report.bound == lower_bound(8, 8, confidence=corrected_confidence(0.95, 6))
    [bound] = report.reasons
    assert "race R: the bound counts 6 attempts" in bound.words
    [spent] = [one for one in report.rules if one.rule == "suite_burned"]
    assert spent.words == "all 3 attempts of race R count"


def test_race_that_cannot_win_names_the_trials_that_are_needed() -> None:
    held = suite(*(scenario(name) for name in "abcde"), min_lower_bound=0.5)
    require_winnable(held, 1)
    with pytest.raises(Refused, match="5 trials cannot reach the lower bound 0.5") as refused:
        require_winnable(held, 6)
    assert refused.value.hint.startswith("7 trials are needed: raise trials.n to 2,")
    assert lower_bound(7, 7, confidence=corrected_confidence(0.95, 6)) >= 0.5


def test_race_that_would_pass_the_limit_of_attempts_is_refused() -> None:
    held = suite(scenario("a"), max_attempts_per_version=8)
    require_unspent(held, 2, 6)
    with pytest.raises(Refused, match="6 attempts after 3 would pass"):
        require_unspent(held, 3, 6)


def test_attempts_of_races_with_the_suite_from_the_commit_count_together() -> None:
    known = [race("a", "b"), race("c", commit="d" * 40), race("d", seal="other"), race("e")]
    assert count_attempts(known, SEAL, COMMIT, "tree") == 3


def test_all_attempts_of_a_race_count_once_against_the_limit_of_the_suite(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def evaluate(run_id: str, tree: str) -> None:
        begun = {"tree": tree, "suite_seal": SEAL}
        ledger.append(LineKind.EVALUATION_BEGUN, run_id, begun, now=NOW)

    evaluate("alone", "first")
    ledger.append(LineKind.RACE_BEGUN, "", write_fields(race("a", "b", "c")), now=NOW)
    evaluate("a", "second")
    evaluate("b", "second")
    evaluate("c", "first")
    pool = EvaluationPool([*ledger.entries()], TrialStore(tmp_path / "results", ledger))
    assert pool.attempts(SEAL, "first") == 1
    assert pool.attempts(SEAL, "second") == 4
    assert pool.attempts(SEAL, "third", ["restart-of-b", "b"]) == 4
    assert pool.attempts(SEAL, "third") == 5


def test_end_of_a_race_is_read_from_the_ledger(tmp_path: Path) -> None:
    ledger, begun = Ledger(tmp_path), race("a", "b")
    ended = [
        AttemptResult("a", "awaiting_human", "t", "no-go", 3, 4, 0.25, 0.5, 7, 1),
        AttemptResult("b", "failed"),
    ]
    assert results_of(ledger, "R") is None
    ledger.append(LineKind.RACE_ENDED, "", end_record(begun, ended, "ann"), now=NOW)
    assert results_of(ledger, "R") == ended
