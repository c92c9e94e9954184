"""Check a plan again: identity, plates, base and collisions."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import check_lines, control_plane_of


@click.command("check")
@click.argument("plan", metavar="PLAN")
@json_option
@click.pass_obj
def check_plan(invocation: Invocation, plan: str, as_json: bool) -> ExitCode:
    """Check a plan again: identity, plates, tests, open questions, base and collisions.

    Exit with 4 if the plan cannot be deployed as it is.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.plans import check

    record = check(control_plane_of(invocation), plan)
    words = "\n".join(check_lines(record)) or f"no problems found in {record['plan_id']}"
    show_result(record, words, as_json=as_json)
    return ExitCode.DONE if record["deployable"] else ExitCode.REFUSED


part = check_plan
