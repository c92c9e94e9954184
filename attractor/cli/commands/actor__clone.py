"""Make an actor with the conversation and the files of another one."""

import shlex

import click

from attractor.base.errors import ExitCode
from attractor.base.names import name_after
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import find, sender_of
from attractor.worlds.actors import actors_of_project
from attractor.worlds.care import clone
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@click.argument("new", metavar="[NEW]", default="")
@json_option
@click.pass_obj
def actor_clone(invocation: Invocation, name: str, new: str, as_json: bool) -> ExitCode:
    """Make the actor NEW with the conversation of ACTOR, and with a copy of its files.

    It works in a new dimension. It has no task until you send it one, and goes on from the last
    answer of ACTOR. A task in work stays with ACTOR; its files are copied as they are.
    """
    folder, opened = find(invocation, name)
    taken = [one.name for one in actors_of_project(opened)]
    made = clone(folder, new or name_after(folder.name, taken), sender_of(invocation), opened)
    quoted = shlex.quote(made.name)
    # One that only reads works where the other one does.
    files = " and a copy of the files" if made.read().actor.dimension == made.name else ""
    words = (
        f"The actor {made.name} has the conversation{files} of {folder.name}.\n"
        f"  its next task:  attractor actor prompt {quoted} TEXT"
    )
    return show_result(actor_record(read_actor(made)), words, as_json=as_json)


part = actor_clone
