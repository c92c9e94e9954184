"""Every figure over decisions equals a naive count over what was generated."""

import random
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import NamedTuple

from attractor.base.json import Json
from attractor.factory.decisions.figures import DecisionFigures, Spread, read_decisions
from attractor.factory.history.window import window_figures
from attractor.factory.ledger.ledger import Ledger

BEGUN = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


class Made(NamedTuple):
    """A generated decision; `seconds` and `shown_s` are those after which it was made."""

    verdict: str
    by: str
    proof: str
    seconds: float | None
    shown_s: float | None
    waivers: int
    is_rolled_back: bool
    marks: int
    """Defects and withdrawals in turn: marked if the number is odd."""

    @classmethod
    def any(cls, choose: random.Random) -> "Made":
        verdict = choose.choice(("approved", "approved", "rejected"))
        is_approved = verdict == "approved"
        return cls(
            verdict,
            *choose.choice((("ann", "token"), ("ann", "terminal"), ("bob", "token"))),
            choose.choice((None, choose.uniform(0.1, 20), choose.uniform(60, 9000))),
            choose.choice((None, round(choose.uniform(0, 90), 1))),
            choose.choice((0, 0, 1, 3)),
            is_approved and choose.random() < 0.2,
            choose.choice((0, 0, 1, 2, 3)) if is_approved else 0,
        )

    def write(self, ledger: Ledger, run_id: str, now: datetime) -> None:
        ledger.append("created", run_id, {"project": "ours", "pipeline": "wish@1#a"}, now=now)
        person: dict[str, Json] = {"by": self.by, "proof": self.proof, "pipeline": "wish"}
        if self.seconds is not None:
            for earlier in (10, 0):
                at = now + DAY - timedelta(seconds=self.seconds + earlier)
                ledger.append("evaluated", run_id, {"suite_seal": "s", "trials": []}, now=at)
        for number in range(self.waivers):
            for _ in range(1 + number % 2):
                ledger.append("waived", run_id, {**person, "scenario": f"{number}"}, now=now + DAY)
        shown: dict[str, Json] = {} if self.shown_s is None else {"shown_s": self.shown_s}
        ledger.append(
            "decided", run_id, {**person, "verdict": self.verdict, **shown}, now=now + DAY
        )
        for number in range(self.marks):
            word = "no_defect" if number % 2 else "defect"
            ledger.append("amended", run_id, {**person, word: "It broke."}, now=now + DAY)
        if self.is_rolled_back:
            ledger.append("rolled_back", run_id, {**person, "reason": "no"}, now=now + DAY)


def spread(values: list[float | None]) -> tuple[int, float, float, float]:
    """Count naively."""
    found = sorted(one for one in values if one is not None)
    half = len(found) // 2
    middle = found[half] if len(found) % 2 else (found[half - 1] + found[half]) / 2
    hasty = len([one for one in found if one < 10]) / len(found)
    return len(found), middle, found[ceil(len(found) * 9 / 10) - 1], hasty


def figures_of(found: Spread) -> tuple[float, ...]:
    assert found.median_s is not None
    assert found.p90_s is not None
    assert found.hasty is not None
    # Times of lines have microseconds.
    return found.measured, *(round(x, 3) for x in (found.median_s, found.p90_s, found.hasty))


def test_figures_of_three_hundred_decisions_equal_a_naive_count(tmp_path: Path) -> None:
    choose, ledger = random.Random(57), Ledger(tmp_path)
    ledger.append("created", "other", {"project": "theirs", "pipeline": "wish@1#a"}, now=BEGUN)
    made = [Made.any(choose) for _ in range(300)]
    for number, one in enumerate(made):
        one.write(ledger, f"run-{number:03}", BEGUN + number * DAY)
    entries = list(ledger.entries())
    # The decision on run 100 was made a day after the run began.
    for since, ours in ((BEGUN, made), (BEGUN + 101 * DAY, made[100:])):
        found = read_decisions(entries, "ours", since)
        approvals = [one for one in ours if one.verdict == "approved"]
        false_go = sum(one.marks % 2 for one in approvals)
        assert (len(found.decisions), found.approved) == (len(ours), len(approvals))
        assert found.waivers == sum(one.waivers for one in ours)
        assert found.rolled_back == sum(one.is_rolled_back for one in ours)
        assert found.false_go == false_go
        assert any(one.is_rolled_back and one.marks % 2 for one in ours)
        assert found.persons == {
            (by, proof): sum((one.by, one.proof) == (by, proof) for one in ours)
            for by, proof in {(one.by, one.proof) for one in ours}
        }
        for spread_of, values in (
            (found.since_evaluated, [one.seconds for one in ours]),
            (found.since_shown, [one.shown_s for one in ours]),
        ):
            count, *rest = spread(values)
            assert figures_of(spread_of) == (count, *(round(one, 3) for one in rest))
        assert window_figures(entries, "ours", len(ours)).false_go == false_go
    assert read_decisions(entries, "theirs", BEGUN) == DecisionFigures([])


def test_of_under_five_values_only_their_number_is_told() -> None:
    assert Spread.of([1.0, 2.0, None, 3.0, 4.0]) == Spread(4)
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 50.0]) == Spread(5, 3.0, 50.0, 0.8)
