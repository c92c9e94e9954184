"""Time to read and check pipelines, compared with the time to split their text into tokens."""

import gc
import math
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from attractor.language import format as layout, prepare
from benchmarks.figures import Figure, Row, measure

PYTHON = sys.executable
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
ROUNDS, FEWER_ROUNDS = 5, 3
TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<arrow>->)|(?P<word>[A-Za-z_][\w.]*)|(?P<number>-?\d+\w*)'
    r"|(?P<sign>[^\s])"
)

PARSE_AND_VALIDATE = 15
TENFOLD = 12
START = 16


def rows() -> Iterator[Row]:
    """Measure reading, its growth with the size, and the start of the command."""
    yield _reading()
    yield from _growth(prepare, [100, 1_000, 10_000, 100_000], "parse + validate")
    yield from _growth(layout, [1_000, 10_000], "fmt")
    yield _start()


def pipeline(nodes: int) -> str:
    """Return a valid pipeline with a number of stages in a line, of 130 letters each."""
    stages = [
        f'    stage_{i} [label="Stage {i}", prompt="Do the work of stage {i}", max_retries={i % 4}]'
        for i in range(nodes)
    ]
    edges = [
        f'    stage_{i} -> stage_{i + 1} [condition="outcome!=fail"]' for i in range(nodes - 1)
    ]
    head = ["digraph Long {", "    start [shape=Mdiamond]", "    exit [shape=Msquare]"]
    ends = ["    start -> stage_0", f"    stage_{nodes - 1} -> exit", "}"]
    return "\n".join([*head, *stages, *edges, *ends])


def tokens(text: str) -> list[tuple[str | None, str]]:
    """Split a text into tokens with one pattern: the minimal cost of reading it."""
    return [(found.lastgroup, found[0]) for found in TOKEN.finditer(text)]


def _reading() -> Figure:
    text = pipeline(10_000)
    pairs = [(_time(lambda: tokens(text)), _time(lambda: prepare(text))) for _ in range(ROUNDS)]
    return Figure.paired("10,000 nodes: parse + validate / tokens", pairs, PARSE_AND_VALIDATE)


def _growth(work: Callable[[str], object], sizes: Sequence[int], name: str) -> Iterator[Figure]:
    took = _seconds(work, sizes)
    for size, larger in pairwise(took):
        pair = took[size], took[larger]
        yield Figure.paired(f"{name}: {larger:,} nodes / {size:,}", [pair], TENFOLD)


def _seconds(work: Callable[[str], object], sizes: Sequence[int]) -> dict[int, float]:
    """Return the minimal time for each size; a slow moment of the machine affects all sizes."""
    texts = {size: pipeline(size) for size in sizes}
    took: dict[int, float] = dict.fromkeys(sizes, math.inf)
    for turn in range(ROUNDS):
        for size in sizes:
            if turn < FEWER_ROUNDS or size <= 10_000:
                took[size] = min(took[size], _time(lambda size=size: work(texts[size])))
    return took


def _start() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.dot"
        file.write_text(pipeline(3), encoding="utf-8")
        command = [ATTRACTOR, "validate", str(file)]
        name = "attractor validate, 5 nodes / python -c pass"
        return measure(name, command, [PYTHON, "-c", "pass"], bound=START)


def _time(work: Callable[[], object]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return time.process_time() - before
