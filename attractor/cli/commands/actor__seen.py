"""Mark the last answer of an actor as seen."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import find, sender_of
from attractor.worlds.orders import last_answer, mark_seen
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@json_option
@click.pass_obj
def actor_seen(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Mark the last answer of an actor as seen: it needs no review any more."""
    folder, opened = find(invocation, name)
    last = last_answer(folder)
    mark_seen(folder, last.message.id, sender_of(invocation), opened)
    run = f": run {last.run_id}" if last.run_id else ""
    words = f"The answer of the actor {folder.name} is seen{run}."
    return show_result(actor_record(read_actor(folder)), words, as_json=as_json)


part = actor_seen
