"""Times commands against a floor measured in the same minutes, because machines are noisy."""

import compileall
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import attractor

WARM_UP = 2


@dataclass(frozen=True)
class Ratio:
    """How many times the floor a thing took, and how many it may take."""

    name: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether it stays within its limit."""
        return self.value <= self.limit

    def line(self) -> str:
        """Return it for a person."""
        verdict = "ok" if self.holds else "MISSED"
        return f"{self.name:<44} {self.value:6.2f}  limit {self.limit:5.1f}  {verdict}"


def measure(
    name: str, command: Sequence[str], floor: Sequence[str], *, limit: float, rounds: int = 15
) -> Ratio:
    """Run the floor and the command in turn and take the median of the ratios of each pair."""
    _compile_as_installed()
    pairs = [(_time(floor), _time(command)) for _ in range(rounds + WARM_UP)]
    ratios = [taken / least for least, taken in pairs[WARM_UP:]]
    return Ratio(name, statistics.median(ratios), limit)


def report(ratios: Sequence[Ratio]) -> int:
    """Print every ratio; return 1 when one missed its limit."""
    for ratio in ratios:
        print(ratio.line())
    return 0 if all(ratio.holds for ratio in ratios) else 1


@cache
def _compile_as_installed() -> None:
    """Compile the program: an installed one is, and a person may have told Python not to."""
    compileall.compile_dir(Path(attractor.__file__).parent, quiet=2)


def _time(command: Sequence[str]) -> float:
    before = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - before
