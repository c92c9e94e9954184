"""Give an actor its next task, and watch it until it has answered."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.actors import (
    ActorFollower,
    find,
    sender_of,
    show_answer,
    show_where,
    wait_for_answer,
)
from attractor.worlds.actors import Answered
from attractor.worlds.orders import mark_seen, send
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@json_option
@click.pass_obj
def actor_prompt(
    invocation: Invocation, name: str, words: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Give an actor its next task, and watch it until it has answered.

    What it says goes to standard error, its last words to standard output. Ctrl-C ends the
    watching, not the work. To send a task and go on: attractor message send.
    """
    folder, opened = find(invocation, name)
    sender = sender_of(invocation)
    message = send(folder, " ".join(words), sender, opened)
    show_where(read_actor(folder))
    follower = ActorFollower(invocation, folder)
    found = wait_for_answer(folder, message, follower.show_more)
    if isinstance(found, Answered):
        mark_seen(folder, message.id, sender, opened)
    return show_answer(invocation, found, as_json=as_json)


part = actor_prompt
