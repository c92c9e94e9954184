"""Plan the growth of an app: morphs and tests for its specification."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.growth import control_plane_of, show_plan
from attractor.cli.runs.setup import chosen_model_options


@click.command("plan")
@click.argument("spec", metavar="[SPEC]", default="HEAD")
@click.option(
    "--desires",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Add the desires of this JSON file, one or a list (default: those that SPEC adds to its "
    "base).",
)
@click.option(
    "--proposal",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take morphs and tests from this JSON file, instead of asking a model.",
)
@chosen_model_options
@json_option
@click.pass_obj
def plan_growth(
    invocation: Invocation,
    *,
    spec: str,
    desires: Path | None,
    proposal: Path | None,
    model: str,
    provider: str,
    as_json: bool,
) -> ExitCode:
    """Plan the growth of an app: morphs and tests for its specification.

    SPEC is the id of a specification or the beginning of an id (default: HEAD, the specification in
    the repository; before the first stage, the only stored one). A model proposes morphs and tests
    for the desires, after its key was tried; a first stage without desires needs no model. Rules
    add plate, level and risk of each morph, and check identity, required tests and open questions;
    their findings go back to the model at most twice. Exit with 4 if the proposal is refused.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api import plans
    from attractor.growth.desires import read_desires_file
    from attractor.growth.plans.plan import read_proposal_file

    control_plane = control_plane_of(invocation, model=model, provider=provider)
    wanted = read_desires_file(desires) if desires else ()
    if proposal:
        answer = plans.plan_proposal(control_plane, spec, read_proposal_file(proposal), wanted)
    else:
        answer = plans.plan(control_plane, spec, wanted)
    return show_plan(plans.describe_plan(control_plane, str(answer["plan_id"])), as_json=as_json)


part = plan_growth
