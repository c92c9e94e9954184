"""Runs the benchmarks and prints one table; exits with 1 if a bound is missed.

`python -m benchmarks` runs all of this folder and writes the table to RESULTS.md. `python -m
benchmarks engine llm` runs only these and writes nothing.
"""

import importlib
import os
import pkgutil
import platform
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import benchmarks
from benchmarks.figures import NotMeasured, Row, table

RESULTS = Path(benchmarks.__file__).with_name("RESULTS.md")
NOT_BENCHMARKS = {"__main__", "count_calls", "figures", "folders"}
PAGE = """# Results of the benchmarks

`make bench` writes this page down to the table; [README.md](README.md) explains its columns.

{machine}

{table}"""


def main(names: Sequence[str]) -> int:
    """Run the benchmarks, also after a miss or an error; print each row when it is measured."""
    found = programs()
    if unknown := set(names) - found.keys():
        print(f"unknown benchmarks: {', '.join(unknown)} (known: {', '.join(found)})")
        return 2
    machine = describe_machine()
    rows: list[Row] = []
    for name in names or found:
        print(f"{name} ...", file=sys.stderr)
        for row in measured(name, found[name]):
            rows.append(row)
            print("  " + "  ".join(filter(None, row.cells())), file=sys.stderr)
    print(f"{machine}\n\n{table(rows)}", end="")
    if not names:
        # Sections that were measured by hand stay.
        _, heading, by_hand = RESULTS.read_text().partition("\n## ")
        page = PAGE.format(machine=machine, table=table(rows))
        RESULTS.write_text(f"{page}{heading}{by_hand}")
    return int(any(row.is_missed for row in rows))


def programs() -> Mapping[str, Callable[[], Iterator[Row]]]:
    """Return the `rows` function of each benchmark of this folder, by name."""
    names = [one.name for one in pkgutil.iter_modules(benchmarks.__path__)]
    return {
        name: importlib.import_module(f"benchmarks.{name}").rows
        for name in names
        if name not in NOT_BENCHMARKS
    }


def measured(name: str, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    """Yield the rows of a benchmark; an error ends this benchmark, and the others are measured."""
    try:
        yield from rows()
    # After an error of any kind, the other benchmarks still run.
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        yield NotMeasured(name, f"failed: {type(error).__name__}", is_missed=True)


def describe_machine() -> str:
    """Return a list of the properties of this machine that figures depend on."""
    cpu = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    described = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _git("describe", "--always", "--dirty", "--exclude=*"),
        "date of the code": _git("show", "--no-patch", "--format=%cs"),
        "processor": cpu[1] if cpu else platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load at start": " ".join(f"{one:.2f}" for one in os.getloadavg()),
    }
    return "\n".join(f"- {name}: {value}" for name, value in described.items())


def _read(file: str) -> str:
    path = Path(file)
    return path.read_text() if path.exists() else ""


def _git(*words: str) -> str:
    folder = RESULTS.parent
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
