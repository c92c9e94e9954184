"""Runs the tests in `NAME.test.toml` beside `NAME.dot`, each as a simulation."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UnknownName, UsageError, suggest
from attractor.base.files import walk_paths
from attractor.base.json import Json, canonical_json
from attractor.base.toml import InvalidToml, parse_toml
from attractor.config.tables import read_table
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.engine.simulation.walk import MAX_STEPS, SimulatedWalk
from attractor.language.diagnostics import NotRunnable
from attractor.language.graph.graph import Edge, Graph
from attractor.pipeline.simulation.simulate import Script, check_answers, simulate
from attractor.pipeline.source.read import open_pipeline

SUFFIX = ".test.toml"

GAP = "..."
"""The element of an expected path that matches any number of nodes, including none."""


class _Written(BaseModel):
    """A table of a test file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Expected(_Written):
    """The expected properties of a walk; properties that are not set are not checked."""

    path: tuple[str, ...] | None = None
    outcome: Literal["success", "partial_success", "fail"] | None = None
    visits: Mapping[str, int] = Field(default_factory=dict[str, int])
    edges: tuple[str, ...] = ()
    not_visited: tuple[str, ...] = ()


class _Test(_Written):
    name: str = ""
    outcomes: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    answers: Mapping[str, str | tuple[str, ...]] = Field(default_factory=dict[str, Any])
    context: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    max_steps: int = Field(default=MAX_STEPS, ge=1)
    expect: Expected


class PipelineTestFile(_Written):
    """A file of tests, as it is written."""

    pipeline: str = ""
    test: tuple[_Test, ...] = Field(min_length=1)


_TABLES = (PipelineTestFile, _Test, Expected)


@dataclass(frozen=True)
class PipelineTest:
    """A test: the script of the simulation, and the expected walk."""

    name: str
    script: Script
    expected: Expected


@dataclass(frozen=True)
class PipelineTests:
    """The tests in one file, and their pipeline."""

    file: Path
    pipeline: Path
    graph: Graph
    tests: Sequence[PipelineTest]


def find_test_files(named: Path) -> Sequence[Path]:
    """Return the test files that the names of test files, pipelines or folders select."""
    if named.is_dir():
        found = sorted(
            Path(at, name)
            for at, _, names in walk_paths(str(named))
            for name in names
            if name.endswith(SUFFIX)
        )
        if not found:
            raise UsageError(f"no *{SUFFIX} found in {named}", hint="write one beside a pipeline")
        return found
    if named.name.endswith(SUFFIX):
        return [named]
    beside = named.with_name(named.stem + SUFFIX)
    if named.is_file() and not beside.is_file():
        raise UsageError(f"{named} has no tests", hint=f"write them into {beside}")
    return [beside if named.is_file() else named]


def open_tests(file: Path) -> PipelineTests:
    """Read a test file and its pipeline; an error names the position of the fault."""
    written = _read(file)
    pipeline = file.parent / (written.pipeline or f"{file.name.removesuffix(SUFFIX)}.dot")
    graph = open_pipeline(str(pipeline)).graph
    tests = [_test(one, number, graph, file) for number, one in enumerate(written.test, 1)]
    return PipelineTests(file, pipeline, graph, tests)


def _read(file: Path) -> PipelineTestFile:
    try:
        table = parse_toml(file.read_bytes().decode("utf-8-sig"))
        return read_table(PipelineTestFile, table)
    except OSError as cause:
        raise UsageError(f"cannot read {file}: {cause.strerror or cause}") from cause
    except ValidationError as cause:
        raise UsageError(f"{file}: {_fault(cause.errors()[0])}", hint="fix the file") from cause
    except InvalidToml as cause:
        raise UsageError(cause.at(str(file)), hint=cause.hint or "fix the file") from cause
    except UnicodeDecodeError as cause:
        raise UsageError(f"{file} is not UTF-8", hint="save it as UTF-8") from cause


def _fault(error: ErrorDetails) -> str:
    known = {name for table in _TABLES for name in table.model_fields}
    *path, last = error["loc"] or ("",)
    place = "".join(f" {one + 1}" if isinstance(one, int) else f".{one}" for one in path)
    place = place.removeprefix(".")
    if error["type"] != "extra_forbidden":
        message = error["msg"].replace("a valid tuple", "a list").replace("Tuple", "The list")
        return f"{place}.{last}: {message}".removeprefix(".")
    near = suggest(str(last), known)
    return f"{place or 'it'} has no key {last!r}" + (f", did you mean {near}?" if near else "")


def _test(written: _Test, number: int, graph: Graph, file: Path) -> PipelineTest:
    name = written.name or f"test {number}"
    try:
        _require_nodes(graph, _nodes_of(written))
        _require_edges(graph, written.expect.edges)
        if written.expect == Expected():
            raise UsageError("it has no expectation", hint="add expect.path or expect.outcome")
        return PipelineTest(name, _script(written, graph), written.expect)
    except UsageError as error:
        raise UsageError(f"{file}: {name}: {error}", hint=error.hint) from error


def _script(written: _Test, graph: Graph) -> Script:
    context: dict[str, Json] = dict(written.context)
    try:
        canonical_json(context)
    except NotCanonical as cause:
        raise UsageError(f"context: {cause}", hint="write a text in quotes") from cause
    answers = {
        node: (said,) if isinstance(said, str) else said for node, said in written.answers.items()
    }
    if empty := [node for node, said in answers.items() if not said]:
        raise UsageError(f"answers of {empty[0]!r}: the list is empty", hint="name at least one")
    check_answers(graph, answers)
    return Script(
        outcomes=read_outcomes(dict(written.outcomes), nodes=graph.nodes),
        answers=answers,
        context=context,
        max_steps=written.max_steps,
    )


def _nodes_of(written: _Test) -> Iterable[str]:
    expected = written.expect
    yield from written.answers
    yield from (node for node in expected.path or () if node != GAP)
    yield from expected.visits
    yield from expected.not_visited


def _require_nodes(graph: Graph, nodes: Iterable[str]) -> None:
    for node in nodes:
        if node not in graph.nodes:
            raise UnknownName("node", node, graph.nodes)


def _require_edges(graph: Graph, edges: Sequence[str]) -> None:
    if not edges:
        return
    known = {one for edge in graph.edges for one in spellings(edge)}
    for edge in edges:
        if spaced(edge) not in known:
            raise UnknownName("edge", spaced(edge), known)


def spellings(edge: Edge) -> Iterator[str]:
    """Yield the spellings of an edge: both nodes, and between them its label or condition."""
    ends, condition = f"{edge.source} -> {edge.target}", edge.attributes.text("condition").strip()
    guard = f" [{condition}]" if condition else ""
    for label in (f' "{edge.label}"', "") if edge.label else ("",):
        yield f"{ends}{label}{guard}"
        yield f"{ends}{label}"


def spaced(edge: str) -> str:
    """Return an edge as it is compared, with single blanks around the arrow."""
    return " -> ".join(end.strip() for end in edge.split("->", 1))


@dataclass(frozen=True)
class Difference:
    """A difference between a walk and the expected walk; paths are compared node by node."""

    what: str
    expected: str
    actual: str
    expected_path: tuple[str, ...] = ()
    actual_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class TestResult:
    """The result of one test."""

    # Else pytest would collect this class as a test.
    __test__ = False

    test: PipelineTest
    walk: SimulatedWalk
    differences: tuple[Difference, ...]

    @property
    def is_passed(self) -> bool:
        """Whether the walk is as expected."""
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
        # The pipeline is invalid, and the message says so.
        raise
    except UsageError as error:
        raise UsageError(f"{tests.file}: {test.name}: {error}", hint=error.hint) from error


def differences(expected: Expected, walk: SimulatedWalk) -> Iterator[Difference]:
    """Yield the differences between a walk and the expected walk."""
    if expected.path is not None and not fits(expected.path, walk.path):
        join = " -> ".join
        yield Difference("path", join(expected.path), join(walk.path), expected.path, walk.path)
    outcome = walk.end.status.value if walk.end else "none"
    if expected.outcome not in (None, outcome):
        limit = f"the limit of {number_of(len(walk.steps), 'step')} was reached"
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
    """Return whether a path matches the expected path.

    A gap in the expected path matches any nodes.
    """
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
    """Return the first position of a sequence of nodes, or -1."""
    wanted = tuple(piece)
    places = range(at, end - len(wanted) + 1)
    return next((one for one in places if tuple(path[one : one + len(wanted)]) == wanted), -1)
