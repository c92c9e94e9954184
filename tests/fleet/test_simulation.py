"""Histories of a fleet with faults keep eleven invariants, and each of these has a mutant."""

import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.counts import count
from tests.fleet.simulation.history import describe, play, scenario_of, shortest
from tests.fleet.simulation.invariants import Invariant
from tests.fleet.simulation.mutants import MUTANTS, caught, mutated
from tests.fleet.simulation.world import FAULTS

SEEDS = count(ci=200, full=5_000)
BUDGET = 5
"""The processor time for a history, as a ratio to a sum: 200 take 20 s where that takes 20 ms."""


def test_no_history_breaks_an_invariant_and_each_fault_is_in_a_tenth_of_them() -> None:
    met: Counter[str] = Counter()
    floor, began = summing_s(), time.process_time()
    for seed in range(SEEDS):
        history = play(scenario_of(seed))
        assert history.violation is None, f"\n{describe(shortest(history))}"
        met.update(history.met)
    took = time.process_time() - began
    rare = {kind: met[kind] for kind in FAULTS if met[kind] < SEEDS / 10}
    assert not rare
    assert took < BUDGET * SEEDS * max(floor, summing_s())


def summing_s() -> float:
    """Return the processor time of a sum of a million numbers on this machine."""
    began = time.process_time()
    sum(number for number in range(1_000_000))
    return time.process_time() - began


def test_seed_has_one_history() -> None:
    commands = [sys.executable, "-m", "tests.fleet.simulation", "7", "--whole"]
    shown = [
        subprocess.run(
            commands,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert shown[0] == shown[1] == f"{describe(play(scenario_of(7)))}\n"
    assert len({play(scenario_of(seed)).hash for seed in range(20)}) == 20


def test_every_invariant_has_a_mutant() -> None:
    assert [*MUTANTS] == [*Invariant]
    assert len(MUTANTS) == 11


@pytest.mark.parametrize("invariant", Invariant)
def test_mutant_is_caught_by_its_invariant(invariant: Invariant) -> None:
    assert caught(invariant, count(ci=300, full=2_000)), f"no history breaks {invariant}"


def test_failing_seed_shows_a_short_history_and_its_command() -> None:
    # Not each history has a shorter one: every event changes what comes after it.
    with mutated(Invariant.FENCED):
        found = next(
            history.scenario
            for history in map(play, map(scenario_of, range(300)))
            if history.violation and len(shortest(history).scenario.events) < 4
        )
    seed = str(found.seed)
    shown = subprocess.run(
        [sys.executable, "-m", "tests.fleet.simulation", seed, "fenced"],
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 1
    *lines, kinds, command, end = shown.stdout.splitlines()
    assert any("VIOLATION fenced" in line for line in lines)
    assert command == f"repeat: python -m tests.fleet.simulation {seed} fenced"
    assert end.startswith("fenced: ")
    assert len(kinds.split()) - 1 < min(4, len(found.events))
