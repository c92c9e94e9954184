"""Opens the fleet of the settings for a command."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, Unavailable, UsageError
from attractor.base.installation import install_command
from attractor.cli.invocation import Invocation

if TYPE_CHECKING:
    from attractor.factory.evaluation.elsewhere import TrialsElsewhere
    from attractor.factory.open_project import OpenProject
    from attractor.fleet.dispatch.dispatch import Dispatch
    from attractor.fleet.fleet import Addresses, Fleet

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class OnPool:
    """Where a new run executes, and whether the command follows it."""

    invocation: Invocation
    pool: str
    priority: int
    label: str
    universe: str
    follows: bool


def pool_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the options of a run in the fleet to a command, which gets them as `on`, or None."""

    @wraps(command)
    def with_pool(
        *,
        pool: str | None,
        priority: int | None,
        label: str,
        universe: str,
        follows: bool,
        **options: Any,
    ) -> ExitCode:
        invocation: Invocation = click.get_current_context().obj
        if pool == "":
            raise UsageError("--on names no pool", hint="attractor fleet pool lists them")
        if pool is None and (priority is not None or label or universe or follows):
            raise UsageError("--priority, --label, --universe and --follow need --on POOL")
        order = _USUAL if priority is None else priority
        on = OnPool(invocation, pool, order, label, universe, follows) if pool else None
        return command(on=on, **options)

    wrapped: Callable[..., ExitCode] = with_pool
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_USUAL = 100
_OPTIONS = (
    click.option(
        "--on",
        "pool",
        metavar="POOL",
        help="Let a worker of this pool of the fleet execute the run, and print its id.",
    ),
    click.option(
        "--priority",
        type=click.IntRange(0, 1_000_000),
        help=f"With --on: runs with a lower number begin first (default: {_USUAL}).",
    ),
    click.option(
        "--label",
        default="",
        help="With --on: the worker must have this label; --workspace can name a dimension there.",
    ),
    click.option(
        "--universe",
        default="",
        help="With --on: the universe, of which the project becomes a world (default: its own, or "
        "home).",
    ),
    click.option(
        "--follow", "follows", is_flag=True, help="With --on: wait until the run stops or ends."
    ),
)


def require_extra() -> None:
    """Refuse a command that needs the extra `fleet` if it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("dbos", "obstore")):
        raise Unavailable(
            "the fleet is not installed", hint=f"install it: {install_command(extra='fleet')}"
        )


def addresses_of(invocation: Invocation) -> "Addresses":
    """Return the addresses of the fleet of the settings."""
    require_extra()
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.fleet import Addresses

    return Addresses.of_settings(invocation.configuration.settings)


@asynccontextmanager
async def open_both(
    invocation: Invocation, opened: "OpenProject"
) -> "AsyncGenerator[tuple[Fleet, Dispatch]]":
    """Open the fleet of the settings, and the runs of a project in it."""
    addresses = addresses_of(invocation)
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.dispatch.dispatch import Dispatch
    from attractor.fleet.fleet import open_fleet

    async with open_fleet(addresses, invocation.environ) as fleet:
        yield fleet, Dispatch.of(opened, fleet)


@asynccontextmanager
async def open_dispatch(
    invocation: Invocation, opened: "OpenProject"
) -> "AsyncGenerator[Dispatch]":
    """Open the fleet of the settings for the runs of a project."""
    async with open_both(invocation, opened) as (_, dispatch):
        yield dispatch


def trials_in_pool(invocation: Invocation) -> "TrialsElsewhere":
    """Return the workers of the settings that play trials."""
    addresses = addresses_of(invocation)
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.dispatch.evaluations import TrialsInPool

    return TrialsInPool(addresses, invocation.environ)


def in_fleet(invocation: Invocation, work: "Callable[[Fleet], Awaitable[_Result]]") -> _Result:
    """Return the result of work with the open fleet."""
    addresses = addresses_of(invocation)
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.fleet import open_fleet

    async def work_in_fleet() -> _Result:
        async with open_fleet(addresses, invocation.environ) as fleet:
            return await work(fleet)

    return asyncio.run(work_in_fleet())
