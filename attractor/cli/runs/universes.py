"""Universes for commands: options of caps, and what a token that is for some projects reaches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.names import find_named
from attractor.cli.invocation import Invocation
from attractor.cli.runs.orders import token_store
from attractor.config.user_folders import TOKEN_VARIABLE
from attractor.factory.errors import InvalidToken
from attractor.factory.operator_process import Scope
from attractor.fleet.views.universe_views import NONE

if TYPE_CHECKING:
    from attractor.fleet.universes import Caps, Tenant


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


_CAPS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "max_working_actors": (int, "N", "Let at most this many actors work at once."),
    "max_cost_usd_per_day": (float, "USD", "Spend at most this much a day (UTC)."),
    "max_tokens_per_day": (int, "N", "Use at most this many tokens a day (UTC)."),
    "backends": (_names, "A,B", "Allow only these backends."),
    "models": (_names, "A,B", "Allow only these models, by their full names."),
    "share": (float, "X", "Take at most this share of each pool, such as 0.25."),
}


def cap_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add an option for each cap to a command; `none` removes the cap."""
    for name, (_, metavar, text) in reversed(_CAPS.items()):
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, metavar=metavar, help=text)(command)
    return command


def read_caps(given: Mapping[str, str | None], known: "Caps") -> "Caps":
    """Return caps with the values of options; a cap that is not named stays."""
    values: dict[str, Any] = {}
    for name, text in given.items():
        if text is not None:
            try:
                values[name] = None if text == NONE else _CAPS[name][0](text)
            except ValueError as cause:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"invalid value {text!r} of {option}") from cause
    return replace(known, **values)


def find_world(worlds: "Sequence[Tenant]", name: str) -> "Tenant":
    """Return the world with an address, or with a name in its universe."""
    return find_named(
        "world", name, worlds, lambda one: (one.address.partition("/")[2], one.address)
    )


def reached_projects(invocation: Invocation) -> Collection[str]:
    """Return the ids of the projects that the token of the caller is for; empty for all."""
    secret = invocation.environ.get(TOKEN_VARIABLE, "")
    return token_store(invocation).find(secret, Scope.READ).projects if secret else ()


def require_reach(invocation: Invocation, projects: Collection[str], what: str) -> None:
    """Refuse what belongs to none of the projects that the token of the caller is for."""
    reached = reached_projects(invocation)
    if reached and not {*reached} & {*projects}:
        raise InvalidToken(
            f"the token is for other projects, not for {what}",
            hint="use a token for it: attractor token create NAME",
        )


def require_whole_fleet(invocation: Invocation) -> None:
    """Refuse a token that is for some projects."""
    if reached_projects(invocation):
        raise InvalidToken(
            "the token is for some projects only, and this changes the whole fleet",
            hint="use a token for all projects: attractor token create NAME",
        )
