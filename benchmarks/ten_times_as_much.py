"""Ratio of the time to read ten times as much text: about ten, not a hundred.

The tests count executed lines. The cost of a single line in a library (a pattern that backtracks, a
text that is copied repeatedly) is visible in time only.
"""

import gc
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from attractor.engine.simulation.coverage import cover
from attractor.language.conditions.grammar import compile_pattern
from attractor.language.declarations.inputs import read_inputs
from attractor.language.declarations.requirements import read_requirements
from attractor.language.declarations.stylesheet import read_stylesheet
from attractor.language.graph.branches import find_forks
from attractor.language.preparation.prepare import prepare
from attractor.language.reading import parse, read_graph
from attractor.language.source.text import Source
from attractor.language.syntax_errors.attribute_lists import find_value_mistakes
from attractor.language.syntax_errors.missing_quotes import find_quote_mistakes
from attractor.llm.generation.objects import PartialObject
from benchmarks.figures import Figure, Row
from tests.language.repeated import LOOSE, MISTAKEN, SLIPPED

ROUNDS = 8
# In less time, quadratic growth is hidden by the constant part.
LEAST_S = 0.02
# Below this, another measurement would give the same result.
CLEARLY_LINEAR = 12
LIMIT = 30
TELLING = 60

Work = Callable[[], object]
Making = Callable[[int], Work]
"""Prepares an input of a given size, and returns the work on it."""


@dataclass(frozen=True)
class Growing:
    """Tasks whose time must not grow faster than their input; the slowest one counts."""

    name: str
    works: Sequence[Making]

    def measure(self) -> Figure:
        """Measure each task."""
        worst = max(map(_least_times, self.works), key=_ratio_of)
        return Figure.paired(f"10 times as much / as much: {self.name}", [worst], LIMIT)


def rows() -> Iterator[Row]:
    """Measure all tasks."""
    yield from (one.measure() for one in growing())
    yield _growing_object()


def growing() -> Iterator[Growing]:
    """Return all tasks to measure."""
    yield Growing("loose ends", [_loose_ends(one) for one in LOOSE])
    yield Growing("mistakes", [_mistakes(one) for one in MISTAKEN])
    yield Growing("quotes", [_quotes(one) for one in SLIPPED])
    yield Growing("inputs", [_unknown_inputs, _declarations])
    yield Growing("needs", [_needs])
    yield Growing("conditions", [_clauses("context.a{0}=b"), _clauses("(a{0}=c || a{0}=d)")])
    yield Growing("patterns", [_pattern(one) for one in ("(a+)+$", ".*.*.*.*x", "(.*a){12}b")])
    yield Growing("rules of a stylesheet", [_stylesheet, _broken_stylesheet])
    yield Growing("forks", [_forks])
    yield Growing("coverage", [_coverage])


def _loose_ends(piece: str) -> Making:
    return lambda few: partial(_all, find_value_mistakes, "digraph G { a [b=" + piece * few)


def _mistakes(piece: str) -> Making:
    return lambda few: partial(read_graph, Source("digraph G {" + piece * few + "\n}"))


def _quotes(piece: str) -> Making:
    return lambda few: partial(find_quote_mistakes, 'digraph G { a [b="' + piece * few)


def _unknown_inputs(few: int) -> Work:
    prompt = " ".join(f"${{inputs.x{one}}}" for one in range(few))
    return partial(prepare, f'digraph G {{ s [shape=Mdiamond]; a [prompt="{prompt}"] }}')


def _declarations(few: int) -> Work:
    return partial(read_inputs, " " * 20 * few + ", ".join(f"a{one}" for one in range(few)))


def _needs(few: int) -> Work:
    return partial(read_requirements, "x" * few + "," + " " * few + ",a>" + ">" * few)


def _clauses(clause: str) -> Making:
    def make(few: int) -> Work:
        condition = " && ".join(clause.format(one) for one in range(few))
        return partial(prepare, f'digraph G {{ a -> b; a -> c [condition="{condition}"] }}')

    return make


def _pattern(pattern: str) -> Making:
    compiled = compile_pattern(pattern)
    return lambda few: partial(compiled, "a" * few + "!")


def _stylesheet(few: int) -> Work:
    return partial(read_stylesheet, " ".join(f"#n{one} {{ llm_model: m }}" for one in range(few)))


def _broken_stylesheet(few: int) -> Work:
    return partial(read_stylesheet, "* { llm_model = a } " * few)


def _forks(few: int) -> Work:
    pieces = [
        f"p{i} [shape=component]; j{i} [shape=tripleoctagon]; j{i} -> p{i + 1};"
        f"p{i} -> a{i} -> j{i}; p{i} -> b{i} -> j{i};"
        for i in range(few)
    ]
    ends = f"s [shape=Mdiamond]; e [shape=Msquare]; s -> p0; p{few} -> e;"
    return partial(_all, find_forks, parse(f"digraph G {{ {ends} {''.join(pieces)} }}"))


def _coverage(few: int) -> Work:
    pieces = [
        f'g{i} [shape=diamond]; w{i} -> g{i}; g{i} -> w{i + 1} [condition="outcome=success"];'
        f'g{i} -> w{i} [condition="outcome!=success"];'
        for i in range(few)
    ]
    ends = f"start [shape=Mdiamond]; exit [shape=Msquare]; start -> w0; w{few} -> exit;"
    return partial(cover, parse(f"digraph G {{ {ends} {''.join(pieces)} }}"))


def _all(find: Callable[[Any], Iterable[object]], given: object) -> list[object]:
    return list(find(given))


def _growing_object() -> Figure:
    """Measure a growing JSON object, compared with a flat copy of the text for each piece."""
    objects = [
        {"a": "word " * 40_000},
        {f"k{number}": number for number in range(13_000)},
        {"a": [1] * 66_000},
        {"a": [{"name": f"n{number}", "tags": ["a", "b"]} for number in range(5_000)]},
    ]
    texts = [json.dumps(one) for one in objects]
    pairs = [(_seconds(partial(_copy, one)), _seconds(partial(_grow, one))) for one in texts]
    worst = max(pairs, key=_ratio_of)
    return Figure.paired("an object in 10,000 pieces / flat copies", [worst], TELLING)


def _grow(text: str) -> None:
    growing = PartialObject()
    for at in range(0, len(text), 20):
        if growing.add(text[at : at + 20]):
            assert growing.value is not None


def _copy(text: str) -> None:
    for at in range(0, len(text), 20):
        assert text[:at] is not text


def _least_times(make: Making) -> tuple[float, float]:
    """Return the minimal times for an input, and for one ten times as large."""
    few = 10
    while _seconds(make(few)) < LEAST_S and few < 100_000:
        few *= 2
    least = taken = math.inf
    for more in range(1, ROUNDS + 1):
        # Another size each time, so that cached results of one text do not help with another.
        least = min(least, _seconds(make(few + more)))
        taken = min(taken, _seconds(make(10 * (few + more))))
        if taken <= CLEARLY_LINEAR * least:
            break
    return least, taken


def _ratio_of(pair: tuple[float, float]) -> float:
    floor, taken = pair
    return taken / floor


def _seconds(work: Work) -> float:
    # Exclude the collection of garbage of other work.
    gc.collect()
    gc.disable()
    try:
        before = time.process_time()
        work()
        return time.process_time() - before
    finally:
        gc.enable()
