"""Record traffic of the running app, for the rehearsals of its next plans."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of


@click.command("record")
@click.option("--stop", is_flag=True, help="End the recording, and keep it for rehearsals.")
@click.option("--target", default="local", show_default=True, help="The app runs on this target.")
@json_option
@click.pass_obj
def record_app(invocation: Invocation, stop: bool, target: str, as_json: bool) -> ExitCode:
    """Record traffic of the running app, for the rehearsals of its next plans.

    The app is started again, and records each exchange among its own state, at most 32 MB. With
    --stop, and at the next deployment, the recording becomes one of runs/growth/recordings: values
    of fields flagged as pii become pseudonyms, secrets are removed, and responses are left out
    except for their status. The newest three recordings of the running app are kept.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.deployments import record_traffic

    record = record_traffic(control_plane_of(invocation), is_on=not stop, target=target)
    if as_json:
        show_json(record)
    elif not stop:
        show(f"{record['url']} records its traffic\nthen: attractor grow record --stop")
    elif record["recording"]:
        show(f"recorded: {record['recording']} in runs/growth/recordings")
    else:
        show("nothing was recorded: the app got no request")
    return ExitCode.DONE


part = record_app
