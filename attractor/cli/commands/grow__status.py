"""List the plans of an app with their states."""

from typing import Any, cast

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.growth import app_lines, control_plane_of, show_plan


@click.command("status")
@click.argument("plan", metavar="[PLAN]", required=False)
@json_option
@click.pass_obj
def plan_status(invocation: Invocation, plan: str | None, as_json: bool) -> ExitCode:
    """List the plans of an app with their states, and the running app; or show one plan.

    A plan is open, simulated, deploying, interrupted (the process that deployed it ended before the
    end: deploy it again), parked (it waits for a decision, or for a rejection after a no-go),
    failed (its run failed: deploy it again, rebase or drop it), deployed, dropped, or corrupt (its
    files cannot be read: drop it).
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import describe_app
    from attractor.growth.api.plans import describe_plan, status

    control_plane = control_plane_of(invocation)
    if plan:
        return show_plan(describe_plan(control_plane, plan), as_json=as_json)
    record = {**status(control_plane), "app": describe_app(control_plane)}
    plans = cast("list[dict[str, Any]]", record["plans"])
    keys = ("plan_id", "state", "risk", "base", "result", "next")
    rows = [[str(one[key]) for key in keys] for one in plans]
    faults = [
        f"{one['plan_id']}: {each['message']}"
        for one in plans
        if one["state"] == "corrupt"
        for each in one["findings"]
    ]
    header = ["plan", "state", "risk", "base", "result", "next command"]
    lines = [
        "\n".join([*table([header, *rows]), *faults]) if rows else "no plans",
        *(f"without effect: {one}" for one in cast("list[str]", record["without_effect"])),
        *app_lines(cast("dict[str, Any]", record["app"])),
    ]
    return show_result(record, *lines, as_json=as_json)


part = plan_status
