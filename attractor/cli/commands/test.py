"""Test pipelines against their test files."""

import asyncio
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.cli.invocation import json_option
from attractor.cli.output.simulation import edge_text
from attractor.cli.output.streams import show_result
from attractor.cli.pipelines.files import refuse_input
from attractor.engine.simulation.records import edge_record
from attractor.language.graph.graph import Edge
from attractor.language.source.text import visible
from attractor.pipeline.simulation.pipeline_tests import (
    GAP,
    Difference,
    PipelineTests,
    TestResult,
    find_test_files,
    open_tests,
    run_tests,
)

_WIDTH = 96
# Comparing takes more than linear time, so the equal beginning is skipped.
_MOST_NODES = 60
_KEPT_BEFORE = 3


@dataclass(frozen=True)
class _TestedFile:
    """The tests of a test file, with the results of these tests."""

    tests: PipelineTests
    results: Sequence[TestResult]


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--coverage", is_flag=True, help="List edges that no test takes.")
@json_option
def test(files: tuple[Path, ...], coverage: bool, as_json: bool) -> ExitCode:
    """Test pipelines against their test files.

    FILE is a test file NAME.test.toml, a pipeline NAME.dot with a test file beside it, or a folder
    of test files. Pipelines are simulated, not executed. Exit with 1 if a test fails, and with 2 if
    a file is invalid.
    """
    refuse_input(
        [str(file) for file in files],
        why="standard input has no test file beside it",
        hint="pass a test file or a pipeline",
    )
    found = dict.fromkeys(one for file in files for one in find_test_files(file))
    opened = [open_tests(file) for file in found]
    ran = [_TestedFile(tests, asyncio.run(run_tests(tests))) for tests in opened]
    show_result(_record(ran), *_lines(ran, coverage=coverage), as_json=as_json)
    is_good = all(result.is_passed for one in ran for result in one.results)
    return ExitCode.DONE if is_good else ExitCode.FAILED


def _lines(ran: Sequence[_TestedFile], *, coverage: bool) -> Iterator[str]:
    for one in ran:
        for result in one.results:
            word = "pass" if result.is_passed else "FAIL"
            yield visible(f"{word}  {one.tests.file}: {result.test.name}")
            for difference in result.differences:
                yield from (f"      {line}" for line in _difference_lines(difference))
    if coverage:
        for pipeline, edges, never in _covered(ran):
            yield f"{pipeline}: {len(edges) - len(never)} of {len(edges)} edges taken"
            yield from (
                f"      never: {edge_text(edge)}  (line {edge.span.line})" for edge in never
            )
    results = [result for one in ran for result in one.results]
    if nodes := dict.fromkeys(node for one in results for node in one.walk.without_receipt):
        yield visible(f"no receipt was taken of {', '.join(nodes)}: tests run no commands")
    failed = sum(not result.is_passed for result in results)
    yield f"{len(results)} test{'s' if len(results) != 1 else ''}, {failed or 'none'} failed"


def _difference_lines(difference: Difference) -> list[str]:
    if difference.expected_path or difference.actual_path:
        lines = aligned(difference.expected_path, difference.actual_path, gap=GAP)
        return ["path", *(f"  {line}" for line in lines)]
    return [visible(f"{difference.what}: expected {difference.expected}, got {difference.actual}")]


def _covered(ran: Sequence[_TestedFile]) -> Iterator[tuple[Path, Sequence[Edge], Sequence[Edge]]]:
    """Yield each pipeline with all its edges and the edges that no test takes."""
    taken: dict[Path, set[tuple[str, str, int, int]]] = {}
    edges: dict[Path, Sequence[Edge]] = {}
    for one in ran:
        pipeline = one.tests.pipeline.resolve()
        edges[pipeline] = one.tests.graph.edges
        walked = (edge for result in one.results for edge in result.walk.edges)
        taken.setdefault(pipeline, set()).update(map(_identity, walked))
    named = {one.tests.pipeline.resolve(): one.tests.pipeline for one in ran}
    for pipeline, every in edges.items():
        never = [edge for edge in every if _identity(edge) not in taken[pipeline]]
        yield named[pipeline], every, never


def _identity(edge: Edge) -> tuple[str, str, int, int]:
    return edge.source, edge.target, edge.span.line, edge.span.column


def _record(ran: Sequence[_TestedFile]) -> dict[str, object]:
    tests = [_test_record(one, result) for one in ran for result in one.results]
    return {
        "tests": tests,
        "passed": sum(bool(one["passed"]) for one in tests),
        "failed": sum(not one["passed"] for one in tests),
        "coverage": [
            {
                "pipeline": str(pipeline),
                "edges": len(edges),
                "taken": len(edges) - len(never),
                "never_taken": [edge_record(edge) for edge in never],
            }
            for pipeline, edges, never in _covered(ran)
        ],
    }


def _test_record(one: _TestedFile, result: TestResult) -> dict[str, object]:
    end = result.walk.end
    return {
        "file": str(one.tests.file),
        "pipeline": str(one.tests.pipeline),
        "name": result.test.name,
        "passed": result.is_passed,
        "outcome": end.status.value if end else "",
        "path": list(result.walk.path),
        "differences": [
            {"what": found.what, "expected": found.expected, "actual": found.actual}
            for found in result.differences
        ],
    }


class _Column(NamedTuple):
    expected: str
    actual: str
    is_different: bool

    @property
    def width(self) -> int:
        return max(len(self.expected), len(self.actual))


def aligned(expected: Sequence[str], actual: Sequence[str], *, gap: str) -> list[str]:
    """Return lines that show two paths aligned; a gap in the expected path matches any nodes."""
    pairs = enumerate(zip(expected, actual, strict=False))
    shorter = min(len(expected), len(actual))
    start = next((at for at, (one, other) in pairs if one != other), shorter) - _KEPT_BEFORE
    start = start if start > 1 else 0
    columns = list(_columns(_cut(expected, start), _cut(actual, start), gap))
    return [line for row in _rows(columns) for line in _row_lines(row)]


def _cut(path: Sequence[str], start: int) -> list[str]:
    before = ["…"] if start else []
    after = ["…"] if len(path) > start + _MOST_NODES else []
    return [*before, *map(visible, path[start : start + _MOST_NODES]), *after]


def _columns(expected: Sequence[str], actual: Sequence[str], gap: str) -> Iterator[_Column]:
    matcher = SequenceMatcher(None, expected, actual, autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        left, right = list(expected[i:i_end]), list(actual[j:j_end])
        fits = kind == "equal" or left == [gap]
        for at in range(max(len(left), len(right))):
            one = left[at] if at < len(left) else ""
            yield _Column(one, right[at] if at < len(right) else "", not fits and one != gap)


def _rows(columns: Sequence[_Column]) -> Iterator[list[_Column]]:
    row: list[_Column] = []
    width = 0
    for column in columns:
        if row and width + column.width > _WIDTH:
            yield row
            row, width = [], 0
        row.append(column)
        width += column.width + 2
    if row:
        yield row


def _row_lines(row: Sequence[_Column]) -> Iterator[str]:
    yield f"expected  {'  '.join(one.expected.ljust(one.width) for one in row)}".rstrip()
    yield f"actual    {'  '.join(one.actual.ljust(one.width) for one in row)}".rstrip()
    if any(one.is_different for one in row):
        marks = ("^" * one.width if one.is_different else " " * one.width for one in row)
        yield f"          {'  '.join(marks)}".rstrip()


part = test
