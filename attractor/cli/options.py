"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from attractor.base.errors import UsageError
from attractor.cli.invocation import Invocation

JSON = "json"
"""The format that `--json` stands for."""

C = TypeVar("C", bound=Callable[..., Any] | click.Command)


def json_option(command: C) -> C:
    """Add `--json`: the result as one JSON value on standard output."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    return option(command)


def said_format(format_: str | None, *, as_json: bool) -> str | None:
    """Return the format that is said with --format or with --json, if any is."""
    if as_json and format_ not in (None, JSON):
        message = f"--json and --format {format_} contradict each other"
        raise UsageError(message, hint="leave one of them out")
    return JSON if as_json else format_


def debug_option(*, hidden: bool = False) -> Callable[[C], C]:
    """Add `--debug`: show the traceback of an error."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        hidden=hidden,
        callback=_remember_debug,
        help="Show the traceback of an error.",
    )


def _remember_debug(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).debug = True
