"""The service twins of a suite, started anew for each trial."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import Culprit
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.check import TwinRequests
from attractor.scenarios.evaluation import TrialTrouble
from attractor.scenarios.suite import TwinSettings
from attractor.scenarios.suite_files import twins_folder

if TYPE_CHECKING:
    from attractor.twins.services.service_twin import ServiceTwin


MOST_REQUESTS = 10_000
"""The maximum number of requests to a twin in a trial."""


def _twin(suite_folder: Path, name: str, state: Mapping[str, Any], seed: int = 0) -> "ServiceTwin":
    """Return a twin of a suite, with other values for some members of its initial state."""
    # Starlette and Jinja double the start time of commands, and most suites have no twin.
    from attractor.twins.services.service import load_service, with_state
    from attractor.twins.services.service_twin import ServiceTwin

    # The reader of the suite, or an earlier version, has checked it.
    service = with_state(load_service(twins_folder(suite_folder) / name, is_sealed=True), state)
    return ServiceTwin(service, seed=service.table.seed + seed, keep=MOST_REQUESTS)


async def require_startable(twins: Sequence[TwinSettings], suite_folder: Path) -> None:
    """Start each twin with its state and stop it, so that a fault is found before a run."""
    for twin in twins:
        async with _twin(suite_folder, twin.name, twin.seed):
            pass


@dataclass(frozen=True)
class TrialTwins:
    """The running twins of a trial: the variables of the candidate, and the requests by twin."""

    variables: Mapping[str, str]
    requests: Mapping[str, TwinRequests]

    def require_sound(self) -> None:
        """Raise TrialTrouble if a twin itself failed, such as by an exception in its handler."""
        for name, requests in self.requests.items():
            for request in requests():
                if request["why"] and request["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise TrialTrouble(
                        f"the twin {name} failed: {request['why']}",
                        Culprit.TWIN,
                        reason="A twin failed",
                    )


@asynccontextmanager
async def start_twins(
    twins: Sequence[TwinSettings],
    seeds: Mapping[str, Mapping[str, Any]],
    suite_folder: Path,
    environment: ExecutionEnvironment,
    *,
    seed: int,
) -> AsyncGenerator[TrialTwins]:
    """Start twins, each with the state of the suite and of the scenario, until the block ends.

    The candidate reaches the address for clients only. The control address is not offered inside,
    and needs a token.
    """
    variables: dict[str, str] = {}
    requests: dict[str, TwinRequests] = {}
    async with AsyncExitStack() as stack:
        for one in twins:
            state = {**one.seed, **seeds.get(one.name, {})}
            twin = await stack.enter_async_context(_twin(suite_folder, one.name, state, seed))
            for port in filter(None, (urlsplit(twin.url).port, twin.smtp_port)):
                await stack.enter_async_context(environment.offer(port, f"127.0.0.1:{port}"))
            variables |= twin.environ()
            requests[one.name] = _requests_of(twin)
        yield TrialTwins(variables, requests)


def _requests_of(twin: "ServiceTwin") -> TwinRequests:
    def requests() -> Sequence[Mapping[str, Json]]:
        # Otherwise a candidate could hide a request behind many others.
        if twin.dropped:
            message = f"the twin {twin.service.name} received more than {MOST_REQUESTS} requests"
            raise TrialTrouble(
                message, Culprit.CANDIDATE, reason="A twin received too many requests"
            )
        return [cast("Mapping[str, Json]", request.record()) for request in twin.requests]

    return requests
