"""The process of an attempt of a race whose run a worker of a pool executes: `RACE RUN`.

It submits the run, waits until the run stops, then delivers and evaluates it on this machine. The
process of the race cancels runs in the fleet.
"""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.race_process import open_attempt, walk_attempt
from attractor.fleet.dispatch.dispatch import Dispatch, Where
from attractor.fleet.dispatch.evaluations import TrialsInPool
from attractor.fleet.dispatch.in_pool import InPool
from attractor.fleet.fleet import Addresses, open_fleet

MODULE = "attractor.fleet.dispatch.race_attempt"


def attempts_in(pool: str, addresses: Addresses, opened: OpenProject) -> InPool:
    """Return the place of attempts in a pool of the fleet with these addresses."""

    @asynccontextmanager
    async def dispatch(of: OpenProject) -> AsyncGenerator[Dispatch]:
        async with open_fleet(addresses, os.environ) as fleet:
            yield Dispatch.of(of, fleet)

    return InPool(Where(pool), dispatch, opened, follows=True)


def main(arguments: list[str]) -> None:
    """Execute an attempt in the pool of its race, or here: `RACE RUN`.

    Its trials are played by the pool of evaluations, if the settings name a store for that.
    """
    attempt, race, opened = open_attempt(arguments)
    folder = opened.project.root
    settings = load_configuration(
        start=folder, cwd=folder, environ=os.environ, user_file=user_config_file()
    ).settings
    addresses = Addresses.of_settings(settings)
    if addresses.sealed:
        opened = replace(opened, elsewhere=partial(TrialsInPool, addresses, os.environ))
    place = attempts_in(race.pool, addresses, opened) if race.pool else None
    walk_attempt(attempt, race, opened, place)


if __name__ == "__main__":
    main(sys.argv[1:])
