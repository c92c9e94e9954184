"""Recompute a plan on the specification of the app."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.growth import control_plane_of, show_plan


@click.command("rebase")
@click.argument("plan", metavar="PLAN")
@json_option
@click.pass_obj
def rebase_plan(invocation: Invocation, plan: str, as_json: bool) -> ExitCode:
    """Recompute a plan on the specification of the app, after the app or development.toml changed.

    The same morphs are checked again and become a new plan; the plan before is dropped. The new
    plan needs a simulation of its own. Exit with 4 if a morph does not fit any more.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.plans import rebase

    return show_plan(rebase(control_plane_of(invocation), plan), as_json=as_json)


part = rebase_plan
