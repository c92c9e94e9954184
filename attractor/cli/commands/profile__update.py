"""Make a new revision of a profile."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.factory.resources.profiles import read_profile


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def update(invocation: Invocation, file: Path, as_json: bool) -> ExitCode:
    """Make a new revision of a profile from a TOML file.

    Runs keep the revision that they pinned. The same content makes no new revision.
    """
    opened = opened_of(invocation)
    store = opened.profiles
    profile = read_profile(file)
    version, is_new = store.update(profile, by=operator_name(invocation), now=opened.now())
    words = f"{version}: {'created' if is_new else 'unchanged'}"
    return show_result({**version.to_record(), "is_new": is_new}, words, as_json=as_json)


part = update
