"""Holds a simulated walk against what a test expects of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.errors import NotRunnable
from attractor.engine.simulation.walk import SimulatedWalk
from attractor.pipeline.pipeline_tests import (
    GAP,
    Expected,
    PipelineTest,
    PipelineTests,
    spaced,
    spellings,
)
from attractor.pipeline.simulation import simulate


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected; of a path both are told node by node."""

    what: str
    expected: str
    actual: str
    expected_path: tuple[str, ...] = ()
    actual_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class TestResult:
    """What came of one test."""

    # pytest takes every class with such a name for tests of its own.
    __test__ = False

    test: PipelineTest
    walk: SimulatedWalk
    differences: tuple[Difference, ...]

    @property
    def is_passed(self) -> bool:
        """Whether all is as expected."""
        return not self.differences


async def run_tests(tests: PipelineTests) -> Sequence[TestResult]:
    """Walk through a pipeline once for each test."""
    results: list[TestResult] = []
    for test in tests.tests:
        walk = await _walk(tests, test)
        results.append(TestResult(test, walk, tuple(differences(test.expected, walk))))
    return results


async def _walk(tests: PipelineTests, test: PipelineTest) -> SimulatedWalk:
    try:
        return await simulate(tests.graph, test.script)
    except NotRunnable:
        # It is the pipeline's fault, and says so.
        raise
    except UsageError as error:
        raise UsageError(f"{tests.file}: {test.name}: {error}", hint=error.hint) from error


def differences(expected: Expected, walk: SimulatedWalk) -> Iterator[Difference]:
    """Yield what of a walk is not as expected."""
    if expected.path is not None and not fits(expected.path, walk.path):
        told = " -> ".join
        yield Difference("path", told(expected.path), told(walk.path), expected.path, walk.path)
    outcome = walk.end.status.value if walk.end else "none"
    if expected.outcome not in (None, outcome):
        limit = f"the limit of {len(walk.steps)} steps was reached"
        reason = walk.end.reason if walk.end else limit
        yield Difference("outcome", str(expected.outcome), f"{outcome}: {reason}")
    yield from _visits(expected, walk)
    taken = {one for edge in walk.edges for one in spellings(edge)}
    for edge in expected.edges:
        if spaced(edge) not in taken:
            yield Difference(f"edge {spaced(edge)}", "taken", "not taken")


def _visits(expected: Expected, walk: SimulatedWalk) -> Iterator[Difference]:
    visits = Counter(walk.path)
    for node, times in expected.visits.items():
        if visits[node] != times:
            yield Difference(f"visits of {node}", str(times), str(visits[node]))
    for node in expected.not_visited:
        if visits[node]:
            yield Difference(f"visits of {node}", "none", str(visits[node]))


def fits(expected: Sequence[str], path: Sequence[str]) -> bool:
    """Tell whether a path is as expected, where a gap stands for any nodes."""
    pieces = [tuple(piece) for is_gap, piece in groupby(expected, GAP.__eq__) if not is_gap]
    if GAP not in expected:
        return tuple(expected) == tuple(path)
    at, end = 0, len(path)
    if pieces and expected[0] != GAP:
        first = pieces.pop(0)
        if tuple(path[: len(first)]) != first:
            return False
        at = len(first)
    if pieces and expected[-1] != GAP:
        last = pieces.pop()
        end -= len(last)
        if end < at or tuple(path[end:]) != last:
            return False
    for piece in pieces:
        found = _find(piece, path, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _find(piece: Sequence[str], path: Sequence[str], at: int, end: int) -> int:
    """Return the first place of some nodes in a row, or -1."""
    wanted = tuple(piece)
    places = range(at, end - len(wanted) + 1)
    return next((one for one in places if tuple(path[one : one + len(wanted)]) == wanted), -1)
