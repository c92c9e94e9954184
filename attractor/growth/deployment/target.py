"""A release target: where the current release of an app runs, one file each in `targets/`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.base.registry import Registry
from attractor.growth.deployment.release import ExpectedRelease, Releases
from attractor.growth.deployment.resting_app import RestingApp


@dataclass(frozen=True)
class ReleaseTarget:
    """A place where an app runs."""

    drained: Callable[[Releases, RestingApp], AbstractContextManager[None]]
    """Stops the app, and keeps it stopped during a block; a resting app answers meanwhile."""

    start: Callable[
        [
            Releases,
            Mapping[str, str],
            ExpectedRelease,
            Mapping[str, str],
            JsonObject,
            RestingApp | None,
        ],
        str,
    ]
    """Starts the app of the current release unless it runs; returns its address once healthy.

    It gets the variables of the operator, what the ledger says of the release, the variables of the
    services that the app calls, the settings of notices, and the resting app that answers until
    then. An app that runs with other services is started again.
    """


@cache
def target_registry() -> Registry[ReleaseTarget]:
    """Return all release targets by name."""
    return Registry("attractor.growth.deployment.targets", ReleaseTarget, noun="release target")
