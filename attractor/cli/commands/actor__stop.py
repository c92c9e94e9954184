"""Stop an actor: cancel its run, and end its process."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import canceler, find, sender_of
from attractor.worlds.orders import stop
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@json_option
@click.pass_obj
def actor_stop(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Stop an actor: cancel its run, and wait until its process has ended.

    Messages that wait stay in its inbox. The next message starts it again, in its conversation.
    """
    folder, opened = find(invocation, name)
    stop(folder, sender_of(invocation), opened, canceler(invocation, folder, opened))
    view = read_actor(folder)
    waiting = f"; {len(view.waiting)} messages wait in its inbox" if view.waiting else ""
    return show_result(
        actor_record(view), f"The actor {folder.name} is stopped{waiting}.", as_json=as_json
    )


part = actor_stop
