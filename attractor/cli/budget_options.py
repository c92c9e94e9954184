"""The options by which a run gets its budgets."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from attractor.base.durations import parse_duration
from attractor.base.errors import UsageError
from attractor.engine.budgets import Budgets

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--max-cost-usd",
        type=click.FloatRange(min=0),
        help="Stop, to be resumed, when the run has cost so much.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        help="Stop, to be resumed, when the run has used so many tokens.",
    ),
    click.option(
        "--max-duration",
        default="",
        metavar="DURATION",
        help="Stop, to be resumed, when stages were at work for so long, such as 2h.",
    ),
)


def budget_options(function: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def budgets_of(max_cost_usd: float | None, max_tokens: int | None, max_duration: str) -> Budgets:
    """Return the budgets that were given."""
    duration = parse_duration(max_duration) if max_duration else None
    if duration is not None and not duration:
        raise UsageError("--max-duration 0 leaves no time at all", hint="write one such as 2h")
    return Budgets(max_cost_usd, max_tokens, duration)
