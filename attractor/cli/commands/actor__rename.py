"""Rename an actor."""

import shlex

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.actors import find, sender_of
from attractor.worlds.care import rename
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@click.argument("new", metavar="NEW")
@json_option
@click.pass_obj
def actor_rename(invocation: Invocation, name: str, new: str, as_json: bool) -> ExitCode:
    """Rename an actor; its folder, its branch and its runs keep their names."""
    folder, opened = find(invocation, name)
    renamed = rename(folder, new, sender_of(invocation), opened)
    words = f"The actor {shlex.quote(folder.name)} is {shlex.quote(new)} now."
    return show_result(actor_record(read_actor(renamed)), words, as_json=as_json)


part = actor_rename
