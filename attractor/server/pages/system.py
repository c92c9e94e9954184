"""The page of the system: running processes, disk space, providers and costs over time."""

import asyncio
import shutil
from datetime import timedelta

from fastapi import Request
from fastapi.responses import Response

from attractor.backends.models import read_provider_keys
from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.factory.history.index import RunQuery
from attractor.factory.history.report import DayCosts, read_costs
from attractor.pipeline.disk_use import read_disk_use
from attractor.records.workers import read_worker
from attractor.server.html.rendering import PageRouter, render
from attractor.server.http.scopes import READ, ProjectService

part = PageRouter("System", "/system", position=9)

DAYS = 30


@dataclass(frozen=True)
class CostBar:
    """The cost of a day, and its share of the most expensive day in percent."""

    day: str
    usage: Usage
    runs: int
    share: float


@part.get("/system", dependencies=[READ])
def show_system(request: Request, service: ProjectService, measure: bool = False) -> Response:
    """Show processes, costs and providers; measure the disk space on request."""
    project = service.project
    since = (project.machine.clock.now() - timedelta(days=DAYS)).date()
    costs = read_costs(service.index, project.runs_dir, since.isoformat())
    live = service.index.runs(service.project.runs_dir, RunQuery(is_live=True))
    workers = [read_worker(one) for one in live]
    days = [(since + timedelta(days=number)).isoformat() for number in range(DAYS + 1)]
    sums = {
        day: sum((cost.usage for cost in costs if cost.day == day), NOTHING_USED) for day in days
    }
    most = max((usage.cost_usd for usage in sums.values()), default=0.0) or 1.0
    return render(
        request,
        "system.html.j2",
        {
            "version": project.machine.version,
            "project_folder": project.root,
            "workers": workers,
            "costs": [
                CostBar(
                    day,
                    sums[day],
                    sum(cost.runs for cost in costs if cost.day == day),
                    100 * sums[day].cost_usd / most,
                )
                for day in days
            ],
            "pipelines": _by_pipeline(costs),
            "days": DAYS,
            "disk": read_disk_use(project.runs_dir, project.machine.state_dir) if measure else None,
            "space": shutil.disk_usage(project.root),
        },
    )


@part.get("/system/providers", dependencies=[READ])
def show_providers(request: Request, service: ProjectService) -> Response:
    """Show which providers of models have a key; this loads their libraries."""
    keys = asyncio.run(read_provider_keys(service.project.machine.environ))
    return render(request, "system/providers.html.j2", {"keys": keys})


def _by_pipeline(costs: list[DayCosts]) -> list[tuple[str, str, int, Usage]]:
    """Return runs and usage by pipeline and models, the most expensive first."""
    keys = sorted({(cost.pipeline, cost.models) for cost in costs})
    rows = [
        (
            pipeline,
            models,
            sum(one.runs for one in own),
            sum((one.usage for one in own), NOTHING_USED),
        )
        for pipeline, models in keys
        for own in [[cost for cost in costs if (cost.pipeline, cost.models) == (pipeline, models)]]
    ]
    return sorted(rows, key=lambda row: -row[3].cost_usd)
