"""Opens the fleet of the settings for a command."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from attractor.base.errors import Unavailable
from attractor.cli.invocation import Invocation

if TYPE_CHECKING:
    from attractor.fleet.fleet import Addresses, Fleet

_Result = TypeVar("_Result")


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
