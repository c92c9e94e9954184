"""CPU seconds of each test, and the choice of those that `make test` runs.

`make costs` measures all tests and writes costs.json. A test is quick if it is cheap, or if it
reaches lines that no cheaper one does and the budget has room for it. All others are slow. A
test that was never measured is quick.
"""

import heapq
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Set as AbstractSet
from contextlib import closing, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from coverage.numbits import numbits_to_nums

from tests import prepared
from tests.prepared_program import REACHED

Line = tuple[str, int]
FILE = Path(__file__).with_suffix(".json")
BUDGET_S = 560.0
QUICK = "not slow and not live and not agents"
CHEAP_S = 0.1
"""Cheaper tests are quick, and not listed one by one."""
DEAR_S = 0.3
"""A new test that uses more is slow, until all are measured."""
FOLDER = "MEASURED_TESTS"
"""The variable that names the folder of measured seconds, with a file for each worker."""


class Costs(NamedTuple):
    """The contents of the file: seconds of the reference machine."""

    floor_s: float
    cheap: dict[str, float]
    """All cheap tests of a folder of tests."""
    quick: dict[str, float]
    slow: dict[str, float]

    @property
    def quick_s(self) -> float:
        """Return what the tests of `make test` use."""
        return sum(self.cheap.values()) + sum(self.quick.values())


@cache
def read_costs() -> Costs:
    """Return the contents of the file."""
    return Costs(**json.loads(FILE.read_text("utf-8")))


def choose(
    seconds: Mapping[str, float],
    reached: Mapping[str, AbstractSet[Line]],
    *,
    floor_s: float,
    budget_s: float = BUDGET_S,
) -> Costs:
    """Let those tests be quick that reach the most new lines for a second, within the budget."""
    cheap = {test for test, cost in seconds.items() if cost < CHEAP_S}
    by_folder = defaultdict[str, float](float)
    for test in cheap:
        by_folder[folder_of(test)] += seconds[test]
    # As the file has them: the sum of the file is that of the budget.
    cheap_by_folder = {folder: round(cost, 1) for folder, cost in sorted(by_folder.items())}
    seconds = {test: max(0.01, round(cost, 2)) for test, cost in seconds.items()}
    covered = set[Line]().union(*(reached.get(test, ()) for test in cheap))
    quick, left_s = set[str](), budget_s - sum(cheap_by_folder.values())
    others = [(-float("inf"), test) for test in seconds.keys() - cheap]
    heapq.heapify(others)
    while others:
        _, test = heapq.heappop(others)
        value = len(reached.get(test, set()) - covered) / seconds[test]
        if seconds[test] > left_s or not value:
            continue
        if others and value < -others[0][0]:
            heapq.heappush(others, (-value, test))
            continue
        quick.add(test)
        covered |= reached[test]
        left_s -= seconds[test]
    slow = seconds.keys() - cheap - quick
    return Costs(
        floor_s,
        cheap_by_folder,
        {test: seconds[test] for test in sorted(quick)},
        {test: seconds[test] for test in sorted(slow)},
    )


def folder_of(test: str) -> str:
    """Return the folder below `tests` in which a test lies."""
    folder, _, rest = test.removeprefix("tests/").partition("/")
    return folder if rest else ""


def measure_floor() -> float:
    """Return the least CPU seconds of a fixed piece of work."""

    def work() -> float:
        before = time.process_time()
        digest = b""
        for number in range(200_000):
            digest = sha256(digest + str(number).encode()).digest()
        return time.process_time() - before

    return min(work() for _ in range(5))


class Measuring:
    """The control group of a worker: the kernel counts in it also processes that have ended."""

    def __init__(self, results: Path) -> None:
        self._root = _control_groups()
        self._group = self._root / f"attractor-tests-{os.getpid()}"
        self._group.mkdir()
        (self._group / "cgroup.procs").write_text(str(os.getpid()))
        self._results = results / f"{os.getpid()}.jsonl"
        # A process of its own, not the one that all workers share.
        prepared.share(b"")
        prepared.run_prepared(["--version"], folder=results, variables={})

    def seconds(self) -> float:
        """Return the CPU seconds that were used in the group."""
        statistics = (self._group / "cpu.stat").read_text("ascii").split()
        return int(statistics[statistics.index("usage_usec") + 1]) / 1e6

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Write the seconds of set-up, call and clean-up of a test."""
        before = self.seconds()
        result = yield
        with self._results.open("a") as file:
            file.write(json.dumps([item.nodeid, self.seconds() - before]) + "\n")
        return result

    def pytest_unconfigure(self) -> None:
        """Leave the group, and remove it if it is empty."""
        (self._root / "cgroup.procs").write_text(str(os.getpid()))
        with suppress(OSError):
            self._group.rmdir()


def _control_groups() -> Path:
    mounts = (line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines())
    for _, folder, kind, *_ in mounts:
        if kind == "cgroup2" and os.access(folder, os.W_OK):
            return Path(folder)
    raise pytest.UsageError("control groups of version 2 are needed (as root)")


def pytest_configure(config: pytest.Config) -> None:
    """Measure in each worker if this module is loaded as a plugin."""
    if hasattr(config, "workerinput") and FOLDER in os.environ:
        config.pluginmanager.register(Measuring(Path(os.environ[FOLDER])))


def measure(*tests: str) -> dict[str, float]:
    """Return the CPU seconds of all tests, or of the given ones."""
    with TemporaryDirectory() as folder:
        _run(["-p", "tests.costs", *tests], {FOLDER: folder})
        lines = [line for one in Path(folder).iterdir() for line in one.read_text().splitlines()]
    return dict(json.loads(line) for line in lines)


def measure_reach() -> dict[str, set[Line]]:
    """Return the lines of the package that each test reaches, also by prepared commands."""
    with TemporaryDirectory() as folder:
        settings = Path(folder, "settings")
        settings.write_text(f"[run]\nsource = attractor\ndata_file = {folder}/workers.reached\n")
        options = ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
        _run(options, {REACHED: folder})
        return read_reach(Path(folder).glob("*.reached"))


def read_reach(files: Iterable[Path]) -> dict[str, set[Line]]:
    """Return the lines that each test reaches from files of coverage.py."""
    reached = defaultdict[str, set[Line]](set)
    query = """
        select context, path, numbits from line_bits
        join file on file.id = file_id join context on context.id = context_id
        where context != ''
    """
    for file in files:
        with closing(sqlite3.connect(file)) as database:
            for context, path, numbits in database.execute(query):
                lines = numbits_to_nums(numbits)
                reached[context.rpartition("|")[0]].update((path, line) for line in lines)
    return reached


def _run(options: Iterable[str], variables: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "--dist", "worksteal"]
    # A test that fails was measured, too.
    subprocess.run(
        [*command, "-m", "not live and not agents", *options],
        env=os.environ | variables,
        stdout=sys.stderr,
        check=False,
    )


def main() -> None:
    """Measure all tests, choose, and measure the quick ones again; with `--new`, only new ones.

    What the first test of a module prepares for the others is part of its seconds: if it is slow,
    another test is the first one.
    """
    floor_s = measure_floor()
    reference_s = read_costs().floor_s if FILE.exists() else floor_s

    def scaled(measured: Mapping[str, float]) -> dict[str, float]:
        return {test: cost * reference_s / floor_s for test, cost in measured.items()}

    if "--new" in sys.argv:
        write(with_new(read_costs(), scaled(measure("-m", QUICK))))
        return
    reached, seconds = measure_reach(), scaled(measure())
    write(choose(seconds, reached, floor_s=reference_s))
    seconds |= scaled(measure("-m", QUICK))
    costs = choose(seconds, reached, floor_s=reference_s)
    write(costs)
    sys.stderr.write(
        f"{costs.quick_s:.0f} s for quick tests, {sum(costs.slow.values()):.0f} s for slow ones\n"
    )


def with_new(known: Costs, seconds: Mapping[str, float]) -> Costs:
    """Return the contents after all quick tests were measured: new ones that are dear are slow.

    Which lines they reach is not known yet. The others count when all tests are measured.
    """
    listed = known.quick.keys() | known.slow.keys()
    new = {test: round(cost, 2) for test, cost in seconds.items() if cost >= DEAR_S}
    added = {test: cost for test, cost in new.items() if test not in listed}
    return known._replace(slow=dict(sorted({**known.slow, **added}.items())))


def write(costs: Costs) -> None:
    """Replace the file."""
    FILE.write_text(json.dumps(costs._asdict(), indent=1) + "\n", "utf-8")
    read_costs.cache_clear()


if __name__ == "__main__":
    main()
