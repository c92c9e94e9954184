"""Figures of benchmarks, their bounds, and the table of all of them.

A figure is compared with a floor measured in the same minutes wherever possible, because machines
differ and are noisy: the bound is then one of the ratio.
"""

import compileall
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import attractor

WARM_UP = 2
HEADER = ("benchmark", "figure", "floor", "ratio", "bound", "verdict")


@dataclass(frozen=True)
class Figure:
    """A measured value; its bound is one of the ratio to the floor if there is a floor."""

    name: str
    value: float
    bound: float | None
    """None: for comparison only."""
    unit: str = ""
    floor: float | None = None
    ratio: float | None = None

    @classmethod
    def paired(
        cls, name: str, pairs: Iterable[tuple[float, float]], bound: float | None, unit: str = "s"
    ) -> Self:
        """Return the medians of pairs of a floor and a value, and the median of their ratios."""
        floors, values = zip(*pairs, strict=True)
        ratios = [value / floor for floor, value in zip(floors, values, strict=True)]
        return cls(
            name=name,
            value=statistics.median(values),
            bound=bound,
            unit=unit,
            floor=statistics.median(floors),
            ratio=statistics.median(ratios),
        )

    @property
    def is_missed(self) -> bool:
        """Whether the figure exceeds its bound."""
        compared = self.value if self.ratio is None else self.ratio
        return self.bound is not None and compared > self.bound

    def cells(self) -> Sequence[str]:
        """Return the cells of its row."""
        verdict = "" if self.bound is None else "MISSED" if self.is_missed else "ok"
        floor = "" if self.floor is None else _amount(self.floor, self.unit)
        ratio, bound = ("" if one is None else f"{one:,.4g}" for one in (self.ratio, self.bound))
        return [self.name, _amount(self.value, self.unit), floor, ratio, bound, verdict]


@dataclass(frozen=True)
class NotMeasured:
    """A benchmark that this machine cannot run, or that failed, with the reason."""

    name: str
    reason: str
    is_missed: bool = False

    def cells(self) -> Sequence[str]:
        """Return the cells of its row."""
        return [self.name, self.reason, "", "", "", "MISSED" if self.is_missed else ""]


Row = Figure | NotMeasured


def measure(
    name: str,
    command: Sequence[str],
    floor: Sequence[str],
    *,
    bound: float,
    rounds: int = 15,
    folder: Path | None = None,
    status: int = 0,
) -> Figure:
    """Run the floor and the command in turn; the command ends with an exit status."""
    _compile_as_installed()
    pairs = [
        (_time(floor, folder), _time(command, folder, status)) for _ in range(rounds + WARM_UP)
    ]
    return Figure.paired(name, pairs[WARM_UP:], bound)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table with aligned columns."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "".join("| " + " | ".join(map(str.ljust, cells, widths)) + " |\n" for cells in lines)


def _amount(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        value, unit = value * 1000, "ms"
    return f"{value:,.4g} {unit}".strip()


@cache
def _compile_as_installed() -> None:
    """Compile the program, as an installed one is: a setting may keep Python from doing so."""
    compileall.compile_dir(Path(attractor.__file__).parent, quiet=2)


def _time(command: Sequence[str], folder: Path | None, status: int = 0) -> float:
    before = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    seconds = time.perf_counter() - before
    if ended.returncode != status:
        raise RuntimeError(f"exit status {ended.returncode}: {ended.stderr.decode()}")
    return seconds
