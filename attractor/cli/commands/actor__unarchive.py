"""Take an actor back from the archive."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import find, sender_of
from attractor.worlds.care import unarchive
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@json_option
@click.pass_obj
def actor_unarchive(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Take an archived actor back: it takes messages again, in its conversation and its files."""
    folder, opened = find(invocation, name)
    unarchive(folder, sender_of(invocation), opened)
    words = f"The actor {folder.name} takes messages again."
    return show_result(actor_record(read_actor(folder)), words, as_json=as_json)


part = actor_unarchive
