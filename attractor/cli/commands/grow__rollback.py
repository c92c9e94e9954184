"""Roll the app back to an earlier stage, as a new stage."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.runs.growth import show_deployment, watched_plane
from attractor.cli.runs.orders import operator_name


@click.command("rollback")
@click.argument("stage", metavar="[STAGE]", default="")
@click.option("--target", default="local", show_default=True, help="Run the app on this target.")
@json_lines_option
@click.pass_obj
def roll_back_app(invocation: Invocation, stage: str, target: str, as_json: bool) -> ExitCode:
    """Roll the app back to an earlier stage (default: the one before), as a new stage.

    The specification and code of that stage are judged by its suite. Without a decision, exit with
    3: decide, and call this command again. Recorded state goes back as well: values that the
    earlier shape had are restored, and records written since are listed. An irreversible change of
    the state is refused with exit status 4.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import rollback

    with watched_plane(invocation, as_json=as_json) as plane:
        record = rollback(plane, stage, by=operator_name(invocation), target=target)
    return show_deployment(record, again="attractor grow rollback", as_json=as_json)


part = roll_back_app
