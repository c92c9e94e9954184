"""Watch an actor: what it said last, and what it says from now on."""

import time

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show
from attractor.cli.runs.actors import POLL_S, ActorFollower, answered_lines, describe_status, find
from attractor.worlds.status import ActorStatus, read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@click.pass_obj
def actor_attach(invocation: Invocation, name: str) -> ExitCode:
    """Watch an actor: what it says, and its status whenever it changes.

    Ctrl-C ends the watching, not the work. It ends by itself when the actor is stopped or archived.
    """
    folder, _ = find(invocation, name)
    follower, shown = ActorFollower(invocation, folder), ""
    known = len(folder.read().answers)
    while True:
        view = read_actor(folder)
        follower.show_more(view)
        for one in view.history.answers[known:]:
            show("\n".join(answered_lines(one)))
        known = len(view.history.answers)
        if (status := describe_status(view)) != shown:
            shown = status
            show(f"{view.name} is {status}", err=True)
        if view.status in (ActorStatus.STOPPED, ActorStatus.ARCHIVED):
            return ExitCode.DONE
        time.sleep(POLL_S)


part = actor_attach
