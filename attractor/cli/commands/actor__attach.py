"""Watch an actor: what it said last, and what it says from now on."""

import time

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.actors import POLL_S, ActorFollower, answered_lines, describe_status, find
from attractor.worlds.records import actor_record, message_record
from attractor.worlds.status import ActorStatus, read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@json_lines_option
@click.pass_obj
def actor_attach(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Watch an actor: what it says, and its status whenever it changes.

    Ctrl-C ends the watching, not the work. It ends by itself when the actor is stopped or archived.
    With --json, each change of the status and each answer is a line.
    """
    folder, _ = find(invocation, name)
    follower, shown = ActorFollower(invocation, folder), ""
    known = len(folder.read().answers)
    while True:
        view = read_actor(folder)
        if not as_json:
            follower.show_more(view)
        for one in view.history.answers[known:]:
            show_result(message_record(one), *answered_lines(one), as_json=as_json, is_line=True)
        known = len(view.history.answers)
        if (status := describe_status(view)) != shown:
            shown = status
            if as_json:
                show_json(actor_record(view), is_line=True)
            else:
                show(f"{view.name} is {status}", err=True)
        if view.status in (ActorStatus.STOPPED, ActorStatus.ARCHIVED):
            return ExitCode.DONE
        time.sleep(POLL_S)


part = actor_attach
