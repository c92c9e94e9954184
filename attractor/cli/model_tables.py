"""Tells a person of models: a table of many, and how the test of one went."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attractor.engine.stage_report import shorten
from attractor.language.source.text import visible
from attractor.llm.catalogue import ModelInfo

if TYPE_CHECKING:
    from attractor.cli.model_trials import Trial

UNKNOWN = "unknown"
_HEADING = ("model", "provider", "window", "output", "can", "$ in", "$ cached", "$ out")
_LONGEST_ANSWER = 200


def models_text(models: Sequence[ModelInfo], *, others: int) -> str:
    """Return a table of models, and how many providers there are besides."""
    return "\n".join([*_table([_HEADING, *map(_row, models)]), "", *_legend(others)])


def trial_text(trial: "Trial") -> str:
    """Return what a test of a model showed."""
    usage, choice = trial.response.usage, trial.choice
    by = trial.response.model
    as_whom = f", as {by}," if by != choice.model else ""
    answer = visible(shorten(trial.response.text.strip(), _LONGEST_ANSWER))
    cached = f", {usage.cache_read_tokens} from the cache" if usage.cache_read_tokens else ""
    cost = UNKNOWN if trial.cost_usd is None else f"${trial.cost_usd:.6f}"
    return "\n".join(
        [
            f"{choice.model} of {choice.provider}{as_whom} answered: {answer}",
            f"time    {trial.seconds:.2f} s",
            f"tokens  {usage.input_tokens} in{cached}, {usage.output_tokens} out",
            f"cost    {cost}",
        ]
    )


def _legend(others: int) -> Iterator[str]:
    yield "$: US dollars for a million tokens; + more from a size of the prompt on"
    if others:
        yield f"{others} other providers are known: --provider PROVIDER"


def _row(model: ModelInfo) -> tuple[str, ...]:
    prices, more = model.prices(), "+" if model.price_tiers else ""
    return (
        model.id,
        model.provider,
        _tokens(model.context_window),
        _tokens(model.max_output),
        " ".join(model.capabilities) or "-",
        _price(prices.input, more),
        _price(prices.cache_read, more),
        _price(prices.output, more),
    )


def _tokens(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _price(price: float | None, more: str) -> str:
    return UNKNOWN if price is None else f"{price:.12g}{more}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADING))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
