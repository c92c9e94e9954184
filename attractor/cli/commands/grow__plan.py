"""Plan the growth of an app: morphs and tests for its specification."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.growth import control_plane_of, show_plan


@click.command("plan")
@click.argument("spec", metavar="[SPEC]", default="HEAD")
@click.option(
    "--proposal",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Plan the morphs and tests of this JSON file.",
)
@json_option
@click.pass_obj
def plan_growth(invocation: Invocation, spec: str, proposal: Path, as_json: bool) -> ExitCode:
    """Plan the growth of an app: morphs and tests for its specification.

    SPEC is the id of a specification or the beginning of an id (default: HEAD, the specification in
    the repository). Rules add plate, level and risk of each morph, and check identity, required
    tests and open questions. Exit with 4 if the proposal is refused.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api import describe_plan, plan_proposal
    from attractor.growth.plans.plan import read_proposal_file

    control_plane = control_plane_of(invocation)
    answer = plan_proposal(control_plane, spec, read_proposal_file(proposal))
    return show_plan(describe_plan(control_plane, str(answer["plan_id"])), as_json=as_json)


part = plan_growth
