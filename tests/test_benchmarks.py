"""Benchmarks are found by their files, compared with their bounds, and printed in one table."""

from collections.abc import Iterator

from benchmarks.__main__ import describe_machine, measured, programs
from benchmarks.figures import Figure, NotMeasured, Row, table


def test_each_benchmark_can_be_run() -> None:
    measuring = programs()

    assert measuring.keys() >= {"engine", "start_up", "durable_line"}
    assert all(callable(rows) for rows in measuring.values())


def test_bound_is_one_of_the_ratio_if_there_is_a_floor() -> None:
    rows = [
        Figure.paired("three times", [(0.1, 0.2), (0.2, 0.6), (0.1, 0.5)], bound=3),
        Figure.paired("too slow", [(0.5, 1.6)], bound=3),
        Figure("too large", 6.1, bound=6, unit="MB"),
        Figure("compared", 6.1, bound=None, unit="MB"),
        NotMeasured("other engines", "not installed"),
    ]

    assert [row.is_missed for row in rows] == [False, True, True, False, False]
    assert table(rows) == (
        "| benchmark     | figure        | floor  | ratio | bound | verdict |\n"
        "| ------------- | ------------- | ------ | ----- | ----- | ------- |\n"
        "| three times   | 500 ms        | 100 ms | 3     | 3     | ok      |\n"
        "| too slow      | 1.6 s         | 500 ms | 3.2   | 3     | MISSED  |\n"
        "| too large     | 6.1 MB        |        |       | 6     | MISSED  |\n"
        "| compared      | 6.1 MB        |        |       |       |         |\n"
        "| other engines | not installed |        |       |       |         |\n"
    )


def test_benchmark_that_fails_is_a_row_after_its_figures() -> None:
    first = Figure("first", 1, bound=None)

    def rows() -> Iterator[Row]:
        yield first
        raise RuntimeError("broken")

    failed = NotMeasured("engine", "failed: RuntimeError", is_missed=True)
    assert list(measured("engine", rows)) == [first, failed]
    assert failed.cells()[-1] == "MISSED"


def test_results_name_the_machine() -> None:
    described = describe_machine()

    names = [line.split(":")[0] for line in described.splitlines()]
    assert names == [
        *("- date", "- commit", "- date of the code", "- processor", "- cores", "- memory"),
        *("- kernel", "- Python", "- load at start"),
    ]
    assert ": \n" not in f"{described}\n"
