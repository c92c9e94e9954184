"""Repeat the history of a seed: `python -m tests.fleet.simulation SEED [MUTANT] [--whole]`."""

import sys
from contextlib import nullcontext

from tests.fleet.simulation.history import describe, play, scenario_of, shortest
from tests.fleet.simulation.invariants import Invariant
from tests.fleet.simulation.mutants import mutated


def main(seed: int, mutant: str, *, is_whole: bool) -> int:
    """Print a history, or the shortest one that breaks the same invariant."""
    with mutated(Invariant(mutant)) if mutant else nullcontext():
        history = play(scenario_of(seed))
        shown = history if is_whole else shortest(history)
    sys.stdout.write(f"{describe(shown, mutant)}\n")
    return 1 if history.violation else 0


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--whole"]
    sys.exit(main(int(words[0]), *(words[1:] or [""]), is_whole="--whole" in sys.argv))
