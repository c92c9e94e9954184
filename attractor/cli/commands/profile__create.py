"""Create a profile: the policy that runs are judged by."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.factory.profiles import ProfileStore


@click.command()
@click.argument("name")
@click.option(
    "--allow-unverified-isolation",
    is_flag=True,
    help="Allow the verdict 'go' even if it was not verified that the sandbox hides the scenarios.",
)
@json_option
@click.pass_obj
def create(
    invocation: Invocation, name: str, allow_unverified_isolation: bool, as_json: bool
) -> ExitCode:
    """Create a profile: the policy that runs are judged by."""
    store = ProfileStore(invocation.configuration.settings.state_dir)
    profile = store.create(name, allow_unverified_isolation=allow_unverified_isolation)
    if as_json:
        show_json(profile.model_dump(mode="json"))
    else:
        show(f"profile {profile.name}, revision {profile.revision}")
    return ExitCode.DONE


part = create
