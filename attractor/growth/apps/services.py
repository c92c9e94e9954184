"""The services that the adapters of an app call: twins of them, in tests and rehearsals."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from attractor.environments.environment import ExecutionEnvironment
from attractor.growth.tools import adapters_in
from attractor.scenarios.suite import TwinSettings
from attractor.scenarios.suite_files import TWINS
from attractor.scenarios.trial_twins import start_twins

Services = Callable[
    [Path, ExecutionEnvironment, int], AbstractAsyncContextManager[Mapping[str, str]]
]
"""Lets the app of a tree reach its services from an environment during a block; yields its
variables. The number is a seed.
"""

_ROOM = Path(__file__).parents[1]
# In the wheel, the twins are in this room; in a checkout, they are beside the package.
_SHIPPED = _ROOM if (_ROOM / TWINS).is_dir() else _ROOM.parents[1] / "scenarios"


def service_twins(project: Path | None = None) -> Services:
    """Return fresh twins, one for each adapter of an app.

    Twins in `scenarios/_twins/` of a project take the place of the shipped ones.
    """
    own = project / "scenarios" if project else None

    @asynccontextmanager
    async def start(
        tree: Path, environment: ExecutionEnvironment, seed: int
    ) -> AsyncGenerator[Mapping[str, str]]:
        variables: dict[str, str] = {}
        async with AsyncExitStack() as stack:
            for name in adapters_in(tree):
                folder = own if own and (own / TWINS / name).is_dir() else _SHIPPED
                twin = start_twins([TwinSettings(name=name)], {}, folder, environment, seed=seed)
                variables |= (await stack.enter_async_context(twin)).variables
            yield variables

    return start


@asynccontextmanager
async def no_services(
    tree: Path, environment: ExecutionEnvironment, seed: int
) -> AsyncGenerator[Mapping[str, str]]:
    """Yield no variables: an app with adapters does not start."""
    yield {}
