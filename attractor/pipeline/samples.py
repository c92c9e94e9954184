"""Reads what earlier runs of a pipeline took, to tell from what the next one may take."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.outcome import Usage
from attractor.engine.state.checkpoint import open_journal
from attractor.engine.state.run_state import outcome_of
from attractor.language.source.parse import decode, parse
from attractor.pipeline.history import Made
from attractor.pipeline.reading_history import read_history
from attractor.pipeline.run_records import RunRecord, read_run

MOST_RUNS = 50
_MANY = 10


@dataclass(frozen=True)
class Range:
    """What something takes: at least, most likely, and at most; None is not known."""

    low: float | None = None
    likely: float | None = None
    high: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is anything to say."""
        return self != UNKNOWN

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        return {"low": self.low, "likely": self.likely, "high": self.high}


UNKNOWN = Range()
NONE_AT_ALL = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Sample:
    """One earlier run: which nodes its graph had, how it went, and what it took in all.

    One that is `whole` began at the start and came to a good end. A fork's visits are not all.
    """

    run_id: str
    content_hash: str
    backend: str
    nodes: frozenset[str]
    visits: Sequence[Made]
    is_fork: bool
    has_succeeded: bool
    seconds: float
    usage: Usage

    @property
    def is_whole(self) -> bool:
        """Whether all its visits are known, from the start to a good end."""
        return self.has_succeeded and not self.is_fork

    def count(self, node: str) -> int:
        """Return how often a node was visited."""
        return sum(one.node == node for one in self.visits)


@dataclass(frozen=True)
class Samples:
    """The earlier runs of a pipeline, and how many of its name could not be read."""

    runs: Sequence[Sample]
    unreadable: int


def read_samples(runs_dir: Path, pipeline: str) -> Samples:
    """Read the newest runs of a pipeline, which is known by its name."""
    found: list[Sample] = []
    unreadable = 0
    for run in islice(_of_pipeline(runs_dir, pipeline), MOST_RUNS):
        try:
            found.append(_read(run))
        except (AttractorError, OSError):
            unreadable += 1
    return Samples(found, unreadable)


def spread(values: Sequence[float]) -> Range:
    """Return the range of what was measured: of many values the tenth at either end is left out."""
    if not values:
        return UNKNOWN
    if len(values) < _MANY:
        return Range(min(values), median(values), max(values))
    least, most = min(values), max(values)
    tenths = quantiles(values, n=10, method="inclusive")
    # What lies between two equal numbers may be computed to lie beside them.
    low, middle, high = (
        min(most, max(least, one)) for one in (tenths[0], median(values), tenths[-1])
    )
    return Range(min(low, middle), middle, max(middle, high))


def cost_known(usage: Usage) -> bool:
    """Tell whether a cost says something: tokens without a price do not."""
    return bool(usage.cost_usd) or not usage.input_tokens + usage.output_tokens


def _of_pipeline(runs_dir: Path, pipeline: str) -> Iterator[RunRecord]:
    for manifest in sorted(runs_dir.glob("*/manifest.json"), reverse=True):
        try:
            run = read_run(manifest.parent)
        except AttractorError:
            continue
        if run.manifest.pipeline == pipeline:
            yield run


def _read(run: RunRecord) -> Sample:
    state = open_journal(run.directory.events, run.directory.checkpoint).state
    progress, outcome = state.progress, outcome_of(state)
    file = run.directory.graph
    graph = parse(decode(file.read_bytes(), file=str(file)))
    return Sample(
        run.run_id,
        run.manifest.content_hash,
        str(run.manifest.options.get("backend", "")),
        frozenset(graph.nodes),
        read_history(run).visits,
        is_fork=bool(run.manifest.forked_at),
        has_succeeded=outcome is not None and outcome.is_success,
        seconds=progress.seconds if progress else 0.0,
        usage=progress.usage if progress else Usage(),
    )
