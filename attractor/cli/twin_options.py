"""Options that twins of every kind share."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click

from attractor.twins.server.log_files import KEEP

PORT = click.IntRange(0, 65535)
C = TypeVar("C", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--keep",
        type=click.IntRange(1),
        default=KEEP,
        show_default=True,
        help="How many requests are kept to be looked at; older ones are dropped.",
    ),
    click.option(
        "--port", type=PORT, default=0, help="Where clients reach it; any free port if 0."
    ),
    click.option("--control-port", type=PORT, default=0, help="Where it is controlled."),
    click.option(
        "-v/-q",
        "--verbose/--quiet",
        "is_verbose",
        default=None,
        help="Whether each request is a line on standard error; it is, unless --json is given.",
    ),
)


def twin_options(command: C) -> C:
    """Add what is said of every twin: where it is reached, what it keeps, and what it tells."""
    return reduce(lambda made, option: option(made), reversed(_OPTIONS), command)


def is_told(is_verbose: bool | None, *, as_json: bool) -> bool:
    """Tell whether each request is a line: a program may never read them, and stop its child."""
    return not as_json if is_verbose is None else is_verbose
