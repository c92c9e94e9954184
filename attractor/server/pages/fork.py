"""The form that starts a new run from a stage of a run: goal, inputs, model and limits."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse
from attractor.records.request import GOAL, RunRequest, current_request
from attractor.records.timeline import read_stages
from attractor.server.access.callers import Caller
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.run_fields import (
    INPUT,
    known_models,
    require_inputs,
    stored_inputs,
    values_of,
    written_inputs,
)
from attractor.server.html.timeline_groups import list_fork_points
from attractor.server.html.version_forms import NOT_REFUSED, Refusal
from attractor.server.http.scopes import OPERATE, READ, Calling, ProjectService
from attractor.server.processes.bodies import ForkBody
from attractor.server.run_actions import name_of, walk
from attractor.server.service import Service

part = PageRouter()

RUN = "/runs/{run}"
CHANGES = ("model", "max_cost_usd", "max_tokens", "max_duration")
"""The fields that are options of the new run as they are; an empty one stays as before."""


@dataclass(frozen=True)
class EarlierRun:
    """The pipeline of a run, and the settings with which it was started."""

    graph: Graph
    request: RunRequest

    @property
    def goal(self) -> str:
        """The goal of the run; empty if it contains a secret."""
        return "" if GOAL in self.request.withheld else self.request.goal or self.graph.goal


def _earlier(service: Service, run: str) -> EarlierRun:
    directory = RunDirectory(service.root(run))
    state = open_journal(directory.events, directory.checkpoint).state
    graph = parse(directory.graph.read_text(), file=directory.graph.name)
    return EarlierRun(graph, current_request(read_manifest(directory), state))


@part.get(RUN + "/fork", dependencies=[READ])
def show_form(
    request: Request,
    service: ProjectService,
    run: str,
    at: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """Show the form with the values of the run, and a stage from which the new run begins."""
    return _page(request, service, run, {"at": at})


def _page(
    request: Request,
    service: Service,
    run: str,
    typed: Mapping[str, str],
    refusal: Refusal = NOT_REFUSED,
) -> Response:
    earlier, root = _earlier(service, run), service.root(run)
    values: dict[str, object] = {
        "run": name_of(service, root),
        "visits": list_fork_points(read_stages(root)),
        "graph": earlier.graph,
        "goal": earlier.goal,
        "inputs": declared_inputs(earlier.graph),
        "input_field": INPUT,
        "models": known_models(service.project.machine.environ),
        "typed": {**values_of(earlier.request), **typed},
        "error": refusal.error,
        "fault_of": refusal.fault_of,
    }
    return render(request, "fork.html.j2", values, status=refusal.status)


@part.post(RUN + "/fork", dependencies=[OPERATE])
async def fork(request: Request, service: ProjectService, caller: Calling, run: str) -> Response:
    """Start a new run from before a stage of a run, with its settings or other ones."""
    fields = {name: str(one).replace("\r\n", "\n") for name, one in (await request.form()).items()}
    return await run_in_threadpool(_fork, request, service, caller, run, fields)


def _fork(
    request: Request, service: Service, caller: Caller, run: str, fields: Mapping[str, str]
) -> Response:
    """Start the new run; if that is refused, show the form, with all that was typed."""
    at = fields.get("at", "")
    try:
        changes = _changes(_earlier(service, run), fields)
        body = ForkBody.of(at=at, **changes)
        new = walk(service, body.command(name_of(service, service.root(run))), caller).id
    except AttractorError as error:
        if any(text for name, text in fields.items() if name not in ("at", "csrf")):
            return _page(request, service, run, fields, Refusal(fields, error))
        return see_other(f"/runs/{in_address(run)}", error.in_one_line, is_error=True)
    return see_other(f"/runs/{in_address(new)}", f"Forked from run {run} before {at}.")


def _changes(earlier: EarlierRun, fields: Mapping[str, str]) -> Mapping[str, str | dict[str, str]]:
    """Return what differs from the earlier run; refuse wrong inputs.

    An input whose field is empty has its default.
    """
    stored, written = stored_inputs(earlier.request), written_inputs(fields)
    emptied = {name for name, text in stored.items() if text and not fields.get(INPUT + name, text)}
    kept = {name: text for name, text in stored.items() if name not in emptied}
    # The process of the new run looks for a withheld value, also in its environment.
    withheld = {*earlier.request.inputs} - {*stored} - {*written}
    declared = [one for one in declared_inputs(earlier.graph) if one.name not in withheld]
    require_inputs(declared, {**kept, **written})
    defaults = {one.name: one.default or "" for one in declared if one.name in emptied}
    changed = {
        name: text for name, text in {**defaults, **written}.items() if text != stored.get(name)
    }
    goal, before = fields.get("goal", ""), values_of(earlier.request)
    options = {name: text for name in CHANGES if (text := fields.get(name, ""))}
    return {
        # A model that is named again would imply its usual provider.
        **{name: text for name, text in options.items() if text != before.get(name)},
        **({"goal": goal} if goal and goal != earlier.goal else {}),
        **({"inputs": changed} if changed else {}),
    }
