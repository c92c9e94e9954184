"""The options by which a run that goes on is given again what its directory does not keep."""

from collections.abc import Callable
from typing import TypeVar

import click

from attractor.cli.invocation import Invocation
from attractor.pipeline.options import given_inputs
from attractor.pipeline.preflight.secrets import GivenSecrets

INPUT_FORMS = "NAME=VALUE, NAME=@env:VARIABLE or NAME=@file:FILE"

_OPTIONS = (
    click.option("--goal", default="", help="The goal once more, where it holds a secret."),
    click.option(
        "--input",
        "pairs",
        multiple=True,
        metavar="NAME=VALUE",
        help=f"An input once more that is secret: {INPUT_FORMS}.",
    ),
)


Command = TypeVar("Command", bound=Callable[..., object])


def given_options(function: Command) -> Command:
    """Add what is given again; the function gets `goal` and `pairs`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given_of(invocation: Invocation, goal: str, pairs: tuple[str, ...]) -> GivenSecrets:
    """Return what was given again."""
    return GivenSecrets(goal=goal, inputs=given_inputs(pairs, None, environ=invocation.environ))
