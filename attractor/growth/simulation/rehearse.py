"""Gives the app that runs and the app that was built the same traffic (ruling G10).

Each app begins with the state of the recording, with its clock and seed, and with fresh twins of
its services. The state of the running app is a recording, too, with requests by rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from httpx import AsyncClient, HTTPError
from pydantic import JsonValue

from attractor.base.dataclasses import dataclass
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import import_state, running_app
from attractor.growth.apps.services import made_up_services, service_twins
from attractor.growth.errors import AppFailed
from attractor.growth.migration import State
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.impact import Impact, changed_responses
from attractor.growth.simulation.report import WillChange
from attractor.growth.simulation.running import RunningState, find_losses
from attractor.growth.simulation.traffic import Conditions, Recording, Request, Response
from attractor.workspaces.folders import scratch_folder

# They name the version of the app, which every deployment changes.
_OF_VERSION = ("spec_hash", "version")
_HOME = Request(method="GET", path="/")
# Pages are not compared: each new panel stands in the menu of all of them.
_DATA, _PAGE = "application/json", "text/html"
_LONGEST_RESPONSE_S = 60.0
_SERVER_ERROR = 500


async def replay(
    tree: Path,
    conditions: Conditions,
    requests: Sequence[Request],
    state: State,
    sandbox: EnvironmentChoice,
    *,
    project: Path | None = None,
    shows_home: bool = False,
) -> Sequence[Response]:
    """Return the responses of the app in a tree, which begins with a state.

    With `shows_home`, the last response is the home page after all requests. Twins of services in
    a project take the place of the shipped ones.
    """
    with scratch_folder() as folder:
        await import_state(tree, folder, state, sandbox=sandbox)
        running = running_app(
            tree,
            folder,
            clock=conditions.clock,
            seed=conditions.seed,
            sandbox=sandbox,
            services=service_twins(project),
        )
        async with (
            running as app,
            AsyncClient(
                base_url=app.url,
                headers=app.headers,
                timeout=_LONGEST_RESPONSE_S,
                trust_env=False,
            ) as client,
        ):
            responses = [await _respond(client, request) for request in requests]
            return [*responses, *([await _respond(client, _HOME, _PAGE)] if shows_home else [])]


async def _respond(client: AsyncClient, request: Request, accept: str = _DATA) -> Response:
    has_body = "body" in request.model_fields_set
    try:
        answer = await client.request(
            request.method,
            request.path,
            json=request.body if has_body else None,
            headers={"accept": accept},
        )
    except HTTPError as cause:
        what = f"{request.method} {request.path}"
        raise AppFailed(f"{what} gets no response: {type(cause).__name__}") from cause
    if "json" in answer.headers.get("content-type", ""):
        # Invalid or too deep JSON is a text.
        with suppress(ValueError, RecursionError):
            return Response(status=answer.status_code, body=_without_version(answer.json()))
    return Response(status=answer.status_code, body=answer.text)


def _without_version(body: JsonValue) -> JsonValue:
    if isinstance(body, dict):
        return {key: value for key, value in body.items() if key not in _OF_VERSION}
    return body


@dataclass(frozen=True)
class Rehearsed:
    """The changed responses, and the home screens after the traffic by name, as HTML.

    `faults` is what the built app does not do, `notes` say what was not tried.
    """

    will_change: tuple[WillChange, ...]
    pages: Mapping[str, str]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def rehearse(
    plan: Plan,
    recordings: Sequence[Recording],
    *,
    before: Path | None,
    after: Path,
    sandbox: EnvironmentChoice,
    project: Path | None = None,
    running: RunningState | None = None,
) -> Rehearsed:
    """Replay all recordings against the trees of both apps, and compare the responses.

    An app that was never deployed has no tree `before`; the new one must only respond. It gets the
    true state of the running app only in a sandbox.
    """
    impact = Impact(plan.before, plan.result)
    play = partial(replay, sandbox=sandbox, project=project, shows_home=True)
    found: list[WillChange] = []
    pages: dict[str, str] = {}
    faults: list[str] = []
    notes: list[str] = []
    for recording in recordings:
        requests, conditions = [*recording.requests, _HOME], recording.conditions
        old = list[Response]()
        if before:
            try:
                *old, home = await play(before, conditions, requests, recording.state)
            except AppFailed as error:
                notes.append(f"the running app does not play {recording.name}: {error.message}")
                continue
            pages["before"] = str(home.body)
        migrated = plan.migration.up(recording.state).state
        try:
            *new, home = await play(after, conditions, requests, migrated)
        except AppFailed as error:
            faults.append(f"the built app does not play {recording.name}: {error.message}")
            continue
        pages["after"] = str(home.body)
        if before:
            found += _changes(impact, requests, old, new)
        else:
            faults += _failures(requests, new)
    if running and sandbox.make_showing:
        faults += await find_losses(plan, running, after, sandbox)
    elif running:
        notes.append("no sandbox runs here: the built app was tried without values of persons")
    notes += [
        f"the answers of {name} were made up: attractor twin draft {name} --plan {plan.id}, and "
        "correct them"
        for name in made_up_services(after, project)
    ]
    return Rehearsed(tuple(dict.fromkeys(found)), pages, tuple(dict.fromkeys(faults)), tuple(notes))


def _changes(
    impact: Impact, requests: Sequence[Request], old: Sequence[Response], new: Sequence[Response]
) -> Iterator[WillChange]:
    for response in changed_responses(requests, old, new):
        yield WillChange(
            request=f"{response.request.method} {response.request.path}",
            change=response.describe(),
            is_expected=impact.claims(response.request),
        )


def _failures(requests: Sequence[Request], responses: Sequence[Response]) -> Iterator[str]:
    """Yield the pages and records that a first app does not show; a run may lack its records."""
    for request, response in zip(requests, responses, strict=True):
        if request.method == "GET" and response.status >= _SERVER_ERROR:
            yield f"GET {request.path} fails in the built app: status {response.status}"
