"""Send a task to an actor."""

import click

from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import (
    describe_status,
    find,
    sender_of,
    show_answer,
    show_where,
    wait_for_answer,
)
from attractor.worlds.orders import send
from attractor.worlds.status import NEED_A_PERSON, read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@click.option("--wait", "waits", is_flag=True, help="Wait for the answer, and print it.")
@json_option
@click.pass_obj
def message_send(
    invocation: Invocation, name: str, words: tuple[str, ...], waits: bool, as_json: bool
) -> ExitCode:
    """Send a task to an actor: it is stored when this command ends, and starts one run.

    Messages are answered in their order. With --wait, exit as the run of the message would: 0 if it
    succeeded, 1 if it failed, 3 if the actor asks.
    """
    folder, opened = find(invocation, name)
    message = send(folder, " ".join(words), sender_of(invocation), opened)
    show_where(view := read_actor(folder))
    if waits:
        found = wait_for_answer(folder, message, lambda view: None)
        return show_answer(invocation, found, as_json=as_json)
    if as_json:
        show_json({**write_fields(message), "status": "taken", "actor": folder.name})
        return ExitCode.DONE
    show(f"taken: message {message.id} to {folder.name}")
    if view.status in NEED_A_PERSON:
        show(f"It waits: {view.name} is {describe_status(view)}", err=True)
    return ExitCode.DONE


part = message_send
