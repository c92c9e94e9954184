"""Gives the app that runs and the app that was built the same recorded traffic (ruling G10).

Each app begins with the state of the recording, with its clock and seed, and with fresh twins of
its services.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx import AsyncClient
from pydantic import JsonValue

from attractor.base.dataclasses import dataclass
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import import_state, running_app
from attractor.growth.apps.services import service_twins
from attractor.growth.migration import State
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.impact import Impact, changed_responses
from attractor.growth.simulation.report import WillChange
from attractor.growth.simulation.traffic import Conditions, Recording, Request, Response

# They name the version of the app, which every deployment changes.
_OF_VERSION = ("spec_hash", "version")
_LONGEST_RESPONSE_S = 60.0


async def replay(
    tree: Path,
    conditions: Conditions,
    requests: Sequence[Request],
    state: State,
    sandbox: EnvironmentChoice,
    *,
    project: Path | None = None,
) -> Sequence[Response]:
    """Return the responses of the app in a tree, which begins with a state.

    Twins of services in a project take the place of the shipped ones.
    """
    with TemporaryDirectory(prefix="replay-") as folder:
        await import_state(tree, Path(folder), state, sandbox=sandbox)
        running = running_app(
            tree,
            Path(folder),
            clock=conditions.clock,
            seed=conditions.seed,
            sandbox=sandbox,
            services=service_twins(project),
        )
        async with (
            running as app,
            AsyncClient(base_url=app.url, timeout=_LONGEST_RESPONSE_S, trust_env=False) as client,
        ):
            return [await _respond(client, request) for request in requests]


async def _respond(client: AsyncClient, request: Request) -> Response:
    has_body = "body" in request.model_fields_set
    answer = await client.request(
        request.method, request.path, json=request.body if has_body else None
    )
    if "json" in answer.headers.get("content-type", ""):
        return Response(status=answer.status_code, body=_without_version(answer.json()))
    return Response(status=answer.status_code, body=answer.text)


def _without_version(body: JsonValue) -> JsonValue:
    if isinstance(body, dict):
        return {key: value for key, value in body.items() if key not in _OF_VERSION}
    return body


_HOME = Request(method="GET", path="/")


@dataclass(frozen=True)
class Rehearsed:
    """The changed responses, and the home screens after the traffic by name, as HTML."""

    will_change: tuple[WillChange, ...]
    pages: Mapping[str, str]


async def rehearse(
    plan: Plan,
    recordings: Sequence[Recording],
    *,
    before: Path | None,
    after: Path,
    sandbox: EnvironmentChoice,
    project: Path | None = None,
) -> Rehearsed:
    """Replay all recordings against the trees of both apps, and compare the responses.

    An app that was never deployed has no tree `before`; the new one must only respond.
    """
    impact = Impact(plan.base, plan.result)
    play = partial(replay, sandbox=sandbox, project=project)
    found: list[WillChange] = []
    pages: dict[str, str] = {}
    for recording in recordings:
        requests = [*recording.requests, _HOME]
        migrated = plan.migration.up(recording.state).state
        new = await play(after, recording.conditions, requests, migrated)
        pages["after"] = _page(new)
        if before is None:
            continue
        old = await play(before, recording.conditions, requests, recording.state)
        pages["before"] = _page(old)
        found += [
            WillChange(
                request=f"{response.request.method} {response.request.path}",
                change=response.describe(),
                is_expected=impact.claims(response.request),
            )
            for response in changed_responses(requests, old, new)
        ]
    return Rehearsed(tuple(found), pages)


def _page(responses: Sequence[Response]) -> str:
    return str(responses[-1].body)
