"""Every file of the benchmarks' folder either measures or is known to help."""

from benchmarks.__main__ import modules


def test_each_benchmark_can_be_run() -> None:
    measuring = modules()

    assert {module.__name__ for module in measuring} >= {"benchmarks.engine", "benchmarks.start_up"}
    assert all(callable(module.main) for module in measuring)
