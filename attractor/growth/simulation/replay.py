"""Replays recorded requests against an app, with the clock, seed and state of the recording."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx import AsyncClient
from pydantic import JsonValue

from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import import_state, running_app
from attractor.growth.migration.state import State
from attractor.growth.simulation.traffic import Conditions, Request, Response

# They name the version of the app, which every deployment changes.
_OF_VERSION = ("spec_hash", "version")
_LONGEST_RESPONSE_S = 60.0


async def replay(
    tree: Path,
    conditions: Conditions,
    requests: Sequence[Request],
    state: State,
    sandbox: EnvironmentChoice,
) -> Sequence[Response]:
    """Return the responses of the app in a tree, which begins with a state."""
    with TemporaryDirectory(prefix="replay-") as folder:
        await import_state(tree, Path(folder), state, sandbox=sandbox)
        running = running_app(
            tree, Path(folder), clock=conditions.clock, seed=conditions.seed, sandbox=sandbox
        )
        async with (
            running as app,
            AsyncClient(base_url=app.url, timeout=_LONGEST_RESPONSE_S, trust_env=False) as client,
        ):
            return [await _respond(client, one) for one in requests]


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
