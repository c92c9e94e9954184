"""Reads the measured usage of earlier runs, and assumes the usage of stages without earlier visits.

Before a run, the number of calls and the length of prompts are unknown. Therefore an assumed range
is wide, and is marked as assumed; prices come from the catalogue. This module also adds up the
usage of each node of a run: visits, attempts, time, tokens and cost.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

from attractor.backends.models import ModelChoice, ModelDefaults
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import read_regular
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.outcome import Usage
from attractor.engine.prompts.inherited_context import ModelTask as Asked, model_task
from attractor.engine.state.run_state import outcome_of
from attractor.language.graph.graph import Node
from attractor.language.reading import decode, parse
from attractor.llm.catalogue import FindModel, ModelInfo, get_model_info
from attractor.llm.errors import ConfigurationError
from attractor.llm.response import cost_of, usage_of
from attractor.records.lookup import RecordedRun, read_run
from attractor.records.timeline import CompletedVisit, read_recorded

MOST_RUNS = 50
_MANY = 10


@dataclass(frozen=True)
class Range:
    """A range of a quantity: lowest, most likely and highest value; None is unknown."""

    low: float | None = None
    likely: float | None = None
    high: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether any of the values is known."""
        return self != UNKNOWN


UNKNOWN = Range()
NONE_AT_ALL = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Sample:
    """An earlier run: the nodes of its graph, its visits, and its total usage.

    A fork has only a part of the visits.
    """

    run_id: str
    content_hash: str
    backend: str
    nodes: frozenset[str]
    visits: Sequence[CompletedVisit]
    is_fork: bool
    has_succeeded: bool
    seconds: float
    usage: Usage

    @property
    def is_whole(self) -> bool:
        """Whether all visits are known: the run began at the start and succeeded."""
        return self.has_succeeded and not self.is_fork

    def count(self, node: str) -> int:
        """Return the number of visits of a node."""
        return sum(one.node == node for one in self.visits)


@dataclass(frozen=True)
class Samples:
    """The earlier runs of a pipeline, and the number of unreadable runs of the pipeline."""

    runs: Sequence[Sample]
    unreadable: int


def read_samples(runs_dir: Path, pipeline: str) -> Samples:
    """Read the newest runs of the pipeline with this name."""
    found: list[Sample] = []
    unreadable = 0
    for run in islice(_of_pipeline(runs_dir, pipeline), MOST_RUNS):
        try:
            found.append(_read(run))
        except (AttractorError, OSError):
            unreadable += 1
    return Samples(found, unreadable)


def spread(values: Sequence[float]) -> Range:
    """Return the range of measured values.

    Of many values, the top and the bottom tenth are left out.
    """
    if not values:
        return UNKNOWN
    if len(values) < _MANY:
        return Range(min(values), median(values), max(values))
    least, most = min(values), max(values)
    tenths = quantiles(values, n=10, method="inclusive")
    # A quantile between two equal numbers may differ from them by a rounding error.
    low, middle, high = (
        min(most, max(least, one)) for one in (tenths[0], median(values), tenths[-1])
    )
    return Range(min(low, middle), middle, max(middle, high))


def cost_known(usage: Usage) -> bool:
    """Return whether a cost is meaningful, which requires a price for all tokens."""
    return not usage.unpriced_tokens and bool(usage.cost_usd or not usage.tokens)


def _of_pipeline(runs_dir: Path, pipeline: str) -> Iterator[RecordedRun]:
    for manifest in sorted(runs_dir.glob("*/manifest.json"), reverse=True):
        try:
            run = read_run(manifest.parent)
        except AttractorError:
            continue
        if run.manifest.pipeline == pipeline:
            yield run


def _read(run: RecordedRun) -> Sample:
    state = open_journal(run.directory.events, run.directory.checkpoint).state
    progress, outcome = state.progress, outcome_of(state)
    file = run.directory.graph
    graph = parse(decode(read_regular(file), file=str(file)))
    return Sample(
        run.run_id,
        run.manifest.content_hash,
        str(run.manifest.options.get("backend", "")),
        frozenset(graph.nodes),
        read_recorded(run.directory.root).visits,
        is_fork=bool(run.manifest.forked_at),
        has_succeeded=outcome is not None and outcome.is_success,
        seconds=progress.seconds if progress else 0.0,
        usage=progress.usage if progress else Usage(),
    )


_LETTERS_OF_A_TOKEN = 4


@dataclass(frozen=True)
class Calls:
    """Model calls: the number of calls, and the tokens, cached tokens and seconds of each call."""

    number: int
    prompt: int
    cached: int
    answer: int
    seconds: float


Ends = tuple[Calls, Calls, Calls]
"""The lowest, the most likely and the highest value of a range."""

ONE_ANSWER: Ends = (
    Calls(1, 200, 0, 100, 2.0),
    Calls(1, 3_000, 0, 800, 15.0),
    Calls(1, 50_000, 0, 8_000, 120.0),
)
A_TASK: Ends = (
    Calls(3, 5_000, 3_000, 150, 3.0),
    Calls(20, 25_000, 18_000, 400, 8.0),
    Calls(120, 80_000, 40_000, 1_000, 25.0),
)
_ENDS = {Asked.AN_ANSWER: ONE_ANSWER, Asked.A_TASK: A_TASK}


@dataclass(frozen=True)
class Assumption:
    """The assumed usage of a visit, and the basis of this assumption."""

    seconds: Range
    cost_usd: Range
    tokens: Range
    basis: str


def assume(
    node: Node, defaults: ModelDefaults, *, find: FindModel = get_model_info
) -> Assumption | None:
    """Return the assumption about a visit of a node; None if the node itself asks no model."""
    ends = _ENDS.get(model_task(node))
    if ends is None:
        return None
    choice = defaults.choose(node)
    price = _Price.of(choice, find)
    own = len(node.prompt) // _LETTERS_OF_A_TOKEN
    return Assumption(
        _range(one.number * one.seconds for one in ends),
        _costs(ends, own, price),
        _range(float(one.number * (own + one.prompt + one.answer)) for one in ends),
        f"assumed: {_call_count(ends)} of {choice.model or 'a model'}{price.why_not}",
    )


@dataclass(frozen=True)
class _Price:
    """The model whose prices are used, or the reason why no prices are used."""

    model: ModelInfo | None
    why_not: str = ""

    @classmethod
    def of(cls, choice: ModelChoice, find: FindModel) -> "_Price":
        if not choice.model:
            return cls(None, "; no model is chosen: --model")
        try:
            model = find(choice.model, choice.provider)
        except ConfigurationError as error:
            return cls(None, f"; the price is unknown: {error.message}")
        if model is None:
            return cls(None, ", not in the catalogue")
        has_price = model.prices().input is not None and model.prices().output is not None
        return cls(model, "" if has_price else ", without a price in the catalogue")


def _costs(ends: Ends, own: int, price: _Price) -> Range:
    model = price.model
    if model is None:
        return UNKNOWN
    found: list[float] = []
    for one in ends:
        used = usage_of(own + one.prompt, one.answer, cached=one.cached, model=model)
        cost = cost_of(used, model)
        if cost is None:
            return UNKNOWN
        found.append(one.number * cost)
    return _range(found)


def _range(values: Iterable[float]) -> Range:
    low, likely, high = values
    return Range(low, likely, high)


def _call_count(ends: Ends) -> str:
    low, _, high = (one.number for one in ends)
    return "one call" if high == 1 else f"{low} to {high} calls"
