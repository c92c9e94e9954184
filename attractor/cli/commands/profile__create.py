"""Create a profile: the environment, models and policy of runs."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_files
from attractor.factory.resources.profiles import make_profile, read_profile


@click.command()
@click.argument("source", metavar="FILE|NAME", shell_complete=complete_files)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="RULE",
    help="Permit a rule of the gate: isolation_unverified, credential_exposed or dirty_base. "
    "Only with a NAME.",
)
@json_option
@click.pass_obj
def create(
    invocation: Invocation, source: str, allowed: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Create a profile: the environment, models and policy of runs.

    FILE is a TOML file, whose name ends in .toml. A NAME creates a profile with the default policy.
    """
    opened = opened_of(invocation)
    store = opened.profiles
    if source.endswith(".toml"):
        if allowed:
            raise click.UsageError("--allow belongs to a NAME; a file has policy.allow")
        profile = read_profile(Path(source))
    else:
        profile = make_profile(source, allowed)
    version = store.create(profile, by=operator_name(invocation), now=opened.now())
    return show_result(version.to_record(), f"{version}: created", as_json=as_json)


part = create
