"""Time to check a morph in a specification with 10,000 nodes, compared with 100 nodes."""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from attractor.growth.identity import Binding, find_breaches
from attractor.growth.morph import read_morph
from attractor.growth.specification.difference import compare_specs
from attractor.growth.specification.document import graph_of
from attractor.growth.specification.files import read_spec, write_spec
from attractor.growth.specification.graph import SpecGraph
from benchmarks.figures import Figure, Row

FEW, MANY = 100, 10_000
ROUNDS = 15
FIELDS = 8
CHECK_BOUND = 3.0
LOAD_BOUND = 1.5 * MANY / FEW
"""Linear, and half as much for the caches of the processor."""

GATED = Binding(line="No sale without a check", path_to="sell", gate="check")


def rows() -> Iterator[Row]:
    """Measure both sizes in turn."""
    few, many = _graph(FEW), _graph(MANY)
    # Lazy indexes of a base are built once, not for each morph.
    pairs = [(_check(few), _check(many)) for _ in range(ROUNDS + 2)][2:]
    name = f"diff and identity of a morph: {MANY:,} nodes / {FEW}"
    yield Figure.paired(name, pairs, CHECK_BOUND)
    with tempfile.TemporaryDirectory() as folder:
        places = Path(folder, "few"), Path(folder, "many")
        for graph, place in zip((few, many), places, strict=True):
            write_spec(graph, place)
        loads = [tuple(_seconds(partial(read_spec, one)) for one in places) for _ in range(4)]
    name = f"load a specification: {MANY:,} nodes / {FEW}"
    yield Figure.paired(name, [(one[0], one[1]) for one in loads[1:]], LOAD_BOUND)


def _graph(size: int) -> SpecGraph:
    """Return a specification of about this size: one pipeline, and entities with fields."""
    entities = [
        {"name": f"Entity {number}", "fields": [f"field {one}" for one in range(FIELDS)]}
        for number in range((size - 20) // (FIELDS + 1))
    ]
    steps = ["Forecast", {"name": "Check", "guards": ["Sell"]}, "Sell", "Pack"]
    return graph_of(
        {
            "identity": {"purpose": "sell", "safety_envelope": [GATED.line]},
            "data_contracts": {"entities": entities},
            "workflows": {"pipelines": [{"name": "Sale", "steps": steps}]},
            "safety": {"guardrails": [{"name": GATED.line, "guards": ["Sell"]}]},
        }
    )


def _check(base: SpecGraph) -> float:
    """Return the seconds of a diff and a check, for a morph of a field and one of a step."""
    morphs = [
        read_morph({"type": "add_field", "entity": "entity_3", "name": "new"}),
        read_morph({"type": "add_step", "name": "Weigh", "after": "check"}),
        read_morph({"type": "add_entity", "name": "New", "fields": ["a", "b"]}),
    ]
    results = [one.apply(base) for one in morphs]

    def check() -> None:
        for after in results:
            assert compare_specs(base, after)
            assert not find_breaches(base, after, [GATED])

    return _seconds(check)


def _seconds(work: Callable[[], object]) -> float:
    # Exclude the collection of garbage of other work.
    gc.collect()
    gc.disable()
    try:
        before = time.process_time()
        work()
        return time.process_time() - before
    finally:
        gc.enable()
