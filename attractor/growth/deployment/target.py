"""A release target: where the current release of an app runs, one file each in `targets/`."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Protocol

from attractor.base.registry import Registry
from attractor.growth.deployment.release import Releases


class ReleaseTarget(Protocol):
    """A place where an app runs."""

    def drained(self, releases: Releases) -> AbstractContextManager[bool]:
        """Stop the app, and keep it stopped during the block; yield whether it ran."""
        ...

    def start(self, releases: Releases, environ: Mapping[str, str]) -> str:
        """Start the app of the current release; return its address once it is healthy."""
        ...


@cache
def target_registry() -> Registry[ReleaseTarget]:
    """Return all release targets by name."""
    return Registry("attractor.growth.deployment.targets", ReleaseTarget, noun="release target")  # pyright: ignore
