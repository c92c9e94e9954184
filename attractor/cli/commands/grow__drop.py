"""Drop a plan, so that it is never deployed."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("drop")
@click.argument("plan", metavar="PLAN")
@json_option
@click.pass_obj
def drop_plan(invocation: Invocation, plan: str, as_json: bool) -> ExitCode:
    """Drop a plan: it is never deployed, and no plan collides with it any more.

    Use it for one of two plans that collide, or for a plan whose deployment failed or was killed.
    The files of the plan stay in runs/growth/plans/. Exit with 4 while a process deploys the plan,
    and if its release runs or ran: 'attractor grow rollback' undoes that.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.plans import drop

    record = drop(control_plane_of(invocation), plan)
    lines = [f"dropped {record['plan_id']}"]
    if record["next"]:
        lines.append(f"its code is on the branch; next: {record['next']}")
    return show_result(record, *lines, as_json=as_json)


part = drop_plan
