"""Opens the fleet of the settings for a command, and reads its runs with their reasons."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_age
from attractor.base.errors import ExitCode, Unavailable, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation
from attractor.engine.errors import NoRun
from attractor.fleet.errors import UnknownRun
from attractor.fleet.loads import loads_of
from attractor.fleet.reasons import in_words, remedy, why
from attractor.fleet.records import FleetRun, Reason, RunState
from attractor.records.lookup import find_run

if TYPE_CHECKING:
    from attractor.fleet.fleet import Addresses, Fleet

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class OnPool:
    """Where a new run executes, and whether the command follows it."""

    invocation: Invocation
    pool: str
    priority: int
    label: str
    follows: bool


def pool_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the options of a run in the fleet to a command, which gets them as `on`, or None."""

    @wraps(command)
    def with_pool(
        *, pool: str, priority: int, label: str, follows: bool, **options: Any
    ) -> ExitCode:
        invocation: Invocation = click.get_current_context().obj
        on = OnPool(invocation, pool, priority, label, follows) if pool else None
        if on is None and (label or follows):
            raise UsageError("--label and --follow need --on POOL")
        return command(on=on, **options)

    wrapped: Callable[..., ExitCode] = with_pool
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_OPTIONS = (
    click.option(
        "--on",
        "pool",
        default="",
        metavar="POOL",
        help="Let a worker of this pool of the fleet execute the run, and print its id.",
    ),
    click.option(
        "--priority",
        type=click.IntRange(0, 1_000_000),
        default=100,
        help="With --on: runs with a lower number begin first (default: 100).",
    ),
    click.option("--label", default="", help="With --on: the worker must have this label."),
    click.option(
        "--follow", "follows", is_flag=True, help="With --on: wait until the run stops or ends."
    ),
)


def require_extra() -> None:
    """Refuse a command that needs the extra `fleet` if it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("dbos", "obstore")):
        raise Unavailable(
            "the fleet is not installed", hint="install it: pip install 'attractor[fleet]'"
        )


def addresses_of(invocation: Invocation) -> "Addresses":
    """Return the addresses of the fleet of the settings."""
    require_extra()
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.fleet import Addresses

    settings = invocation.configuration.settings
    fleet = settings.fleet
    return Addresses.of(settings.state_dir, fleet.url.get_secret_value(), fleet.store)


def in_fleet(invocation: Invocation, work: "Callable[[Fleet], Awaitable[_Result]]") -> _Result:
    """Return the result of work with the open fleet."""
    addresses = addresses_of(invocation)
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.fleet import open_fleet

    async def work_in_fleet() -> _Result:
        async with open_fleet(addresses, invocation.environ) as fleet:
            return await work(fleet)

    return asyncio.run(work_in_fleet())


@dataclass(frozen=True)
class ExplainedRun:
    """A run, why it does not run, and since when it is as it is, in seconds."""

    run: FleetRun
    reason: Reason | None
    since_s: float

    @property
    def words(self) -> str:
        """The reason for people."""
        return in_words(self.reason) if self.reason else ""

    @property
    def age(self) -> str:
        """The time since when it is as it is."""
        return format_age(timedelta(seconds=self.since_s))

    def to_record(self) -> dict[str, Json]:
        """Return the run as JSON, with the command that changes its reason."""
        reason = self.reason
        explained: Json = reason and {
            "kind": reason.kind.value,
            "details": dict(reason.details),
            "words": self.words,
            "command": remedy(reason, self.run),
        }
        return {**write_fields(self.run, reason=""), "since_s": self.since_s, "reason": explained}


async def explain(fleet: "Fleet", runs: Sequence[FleetRun]) -> Sequence[ExplainedRun]:
    """Return runs with their reasons, from what the rows say now."""
    now, workers = await fleet.table.now(), await fleet.table.workers()
    pools = await fleet.table.pools()
    loads = loads_of(pools, await fleet.views.counts((RunState.RUNNING,)))
    is_queued = any(run.state is RunState.QUEUED for run in runs)
    ahead: Mapping[str, int] = await fleet.views.ahead() if is_queued else {}
    return [
        ExplainedRun(
            run, why(run, workers, loads, ahead.get(run.run_id, 0), now), now - run.changed
        )
        for run in runs
    ]


async def find_in_fleet(invocation: Invocation, fleet: "Fleet", reference: str) -> FleetRun:
    """Return the run of the fleet with a reference: of a run here, or the beginning of an id."""
    name = reference
    with suppress(NoRun, UnknownName, UsageError):
        name = find_run(reference, invocation.configuration.settings.runs_dir).name
    found = [*await fleet.views.beginning_with(name, 2)]
    if name in found:
        found = [name]
    run = await fleet.table.run(found[0]) if len(found) == 1 else None
    if run is None and found:
        raise UsageError(
            f"{reference!r} is the beginning of several runs", hint="write more of the id"
        )
    if run is None:
        raise UnknownRun(f"the fleet has no run {reference!r}")
    return run
