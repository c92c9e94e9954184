"""Runs every benchmark of this folder; ends with 1 when one of them missed its limit."""

import importlib
import pkgutil
import sys

import benchmarks

NOT_BENCHMARKS = {"__main__", "ratios"}


def main() -> int:
    """Run them all, even after a miss."""
    names = [one.name for one in pkgutil.iter_modules(benchmarks.__path__)]
    codes = [
        importlib.import_module(f"benchmarks.{name}").main()
        for name in names
        if name not in NOT_BENCHMARKS
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
