"""Archive an actor: it takes no more messages, and leaves the list."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import find, sender_of
from attractor.worlds.orders import archive
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@json_option
@click.pass_obj
def actor_archive(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Archive an actor: it takes no more messages, and leaves the list.

    Its records and its runs stay. Messages that wait are answered with that. An actor that works is
    refused: stop it first.
    """
    folder, opened = find(invocation, name)
    archive(folder, sender_of(invocation), opened)
    return show_result(
        actor_record(read_actor(folder)), f"The actor {folder.name} is archived.", as_json=as_json
    )


part = actor_archive
