"""Show a plan as a change of the specification."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("review")
@click.argument("plan", metavar="PLAN")
@json_option
@click.pass_obj
def review_plan(invocation: Invocation, plan: str, as_json: bool) -> ExitCode:
    """Show a plan as a change of the specification, in Markdown.

    The text lies beside the plan as mutation.md. The plan pins its hash: an edited text is refused,
    and so is the deployment of its plan. Identity and collisions are checked now.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.plans import review

    record = review(control_plane_of(invocation), plan)
    return show_result(record, str(record["mutation"]).rstrip(), as_json=as_json)


part = review_plan
