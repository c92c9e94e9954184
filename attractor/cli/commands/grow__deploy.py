"""Deploy a plan: build it, wait for a decision, promote it and switch to it."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.runs.growth import crew_model_options, show_deployment, watched_plane
from attractor.cli.runs.orders import operator_name


@click.command("deploy")
@click.argument("plan", metavar="PLAN")
@click.option(
    "--pipeline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Build with this pipeline (default: pipelines/crew.dot of the app, else the shipped one).",
)
@click.option("--variant", default="", metavar="BRANCH", help="Grow a variant on a new branch.")
@click.option("--target", default="local", show_default=True, help="Run the app on this target.")
@crew_model_options
@json_lines_option
@click.pass_obj
def deploy_plan(
    invocation: Invocation,
    *,
    plan: str,
    pipeline: Path | None,
    variant: str,
    target: str,
    model: str,
    provider: str,
    as_json: bool,
) -> ExitCode:
    """Deploy a plan: build it, wait for a decision, promote it and switch to it.

    PLAN is an id, the beginning of one, or `latest`. It has to be simulated, current and free of
    collisions; otherwise exit with 4. The crew builds it on a commit of its specification, and the
    suite judges the result: a no-go exits with 5. Without a decision, exit with 3: decide, and call
    this command again. Then the app is stopped, its state is migrated on a copy and proved, the
    result is promoted, and the app starts again. A killed deployment is resumed by the same
    command. A variant is promoted to its branch and not released here.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import deploy
    from attractor.growth.building import deploying_command

    watched = watched_plane(invocation, as_json=as_json, model=model, provider=provider)
    with watched as plane:
        record = deploy(
            plane,
            plan,
            by=operator_name(invocation),
            pipeline=pipeline,
            target=target,
            variant=variant,
        )
    return show_deployment(record, again=deploying_command(plan, variant), as_json=as_json)


part = deploy_plan
