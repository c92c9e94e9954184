"""A few runs side by side: what they were given, how they ended, and each of their stages."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.files import read_regular
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.workspace.diffs import read_run_diff
from attractor.records.lookup import latest_verdict
from attractor.records.summary import RunOverview, summarize_any
from attractor.records.timeline import StageAttempt, read_recorded
from attractor.server.html.rendering import PageRouter, own_page, render, see_other
from attractor.server.html.run_list import RunRow, row_of
from attractor.server.http.scopes import READ, Calling, ServerService, enter_run
from attractor.server.service import Service

MAX_RUNS = 4
"""The number of runs that fit beside each other."""

part = PageRouter()


@dataclass(frozen=True)
class ComparedRun:
    """A run in the comparison; `stages` has the attempts of each node, in their order."""

    row: RunRow
    project: str
    graph: bytes
    models: Sequence[str]
    is_go: bool | None
    changes: str
    stages: Mapping[str, Sequence[StageAttempt]]

    @property
    def run(self) -> RunOverview:
        """The summary of the run."""
        return self.row.run


@part.get("/compare", dependencies=[READ])
def compare_runs(
    request: Request,
    service: ServerService,
    caller: Calling,
    run: Annotated[Sequence[str], Query()] = (),
) -> Response:
    """Show a few runs side by side, of one project or of several."""
    names = [*dict.fromkeys(run)]
    if not 1 < len(names) <= MAX_RUNS:
        raise UsageError(
            f"{number_of(len(names), 'run')} cannot be compared",
            hint=f"select two to {MAX_RUNS} runs in the list of runs",
        )
    runs = [_read(enter_run(service, caller, name), name) for name in names]
    nodes = dict.fromkeys(node for one in runs for node in one.stages)
    values = {"runs": runs, "nodes": nodes, "is_one_graph": len({one.graph for one in runs}) == 1}
    return render(request, "compare.html.j2", values)


@part.post("/compare", dependencies=[READ])
def choose_runs(
    run: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    back: Annotated[str, Form(max_length=2000)] = "/runs",
) -> Response:
    """Show the runs that are selected in a list."""
    if not 1 < len(set(run)) <= MAX_RUNS:
        return see_other(
            own_page(back), f"Select two to {MAX_RUNS} runs to compare.", is_error=True
        )
    return RedirectResponse(f"/compare?{urlencode({'run': run}, doseq=True)}", 303)


def _read(service: Service, name: str) -> ComparedRun:
    root = service.root(name)
    stages: dict[str, list[StageAttempt]] = {}
    for attempt in read_recorded(root).attempts:
        stages.setdefault(attempt.node, []).append(attempt)
    graph = RunDirectory(root).graph
    models = (attempt.model for tried in stages.values() for attempt in tried)
    return ComparedRun(
        row_of(summarize_any(root), service.project.machine.clock.now()),
        service.project.root.name,
        read_regular(graph) if graph.exists() else b"",
        sorted(set(filter(None, models))),
        latest_verdict(root),
        _changes_of(root, service),
        stages,
    )


def _changes_of(root: Path, service: Service) -> str:
    try:
        diff = asyncio.run(read_run_diff(root, service.project))
    except AttractorError:
        return ""  # the page of the changes has the reason
    return diff.summary or "none"
