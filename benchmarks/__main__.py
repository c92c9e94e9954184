"""Runs every benchmark of this folder; ends with 1 when one of them missed its limit."""

import importlib
import pkgutil
import sys
from types import ModuleType

import benchmarks

NOT_BENCHMARKS = {"__main__", "folders", "ratios"}


def main() -> int:
    """Run them all, even after a miss."""
    return max([module.main() for module in modules()])


def modules() -> list[ModuleType]:
    """Return the benchmarks of this folder."""
    names = [one.name for one in pkgutil.iter_modules(benchmarks.__path__)]
    return [
        importlib.import_module(f"benchmarks.{name}")
        for name in names
        if name not in NOT_BENCHMARKS
    ]


if __name__ == "__main__":
    sys.exit(main())
