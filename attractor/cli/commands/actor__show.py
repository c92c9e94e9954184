"""Show an actor: its status, its messages and its runs."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import (
    answered_lines,
    describe_program,
    describe_status,
    find,
    why_in_fleet,
)
from attractor.language.source.text import visible
from attractor.worlds.records import shown_record
from attractor.worlds.started import funds_of
from attractor.worlds.status import read_actor

_SHOWN = 5


@click.command()
@click.argument("name", metavar="ACTOR")
@json_option
@click.pass_obj
def actor_show(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Show an actor: its status, its last answers, and the messages that wait.

    ACTOR is a name, the unique beginning of a name, or PROJECT/NAME.
    """
    folder, opened = find(invocation, name)
    view = read_actor(folder)
    history = view.history
    if as_json:
        show_json(shown_record(view, opened))
        return ExitCode.DONE
    actor = history.actor
    show(f"actor {actor.name}: {describe_status(view)}")
    show(f"project: {folder.project.root}")
    show(f"spawned by {visible(str(actor.spawner))} at {actor.created.astimezone():%Y-%m-%d %H:%M}")
    show(describe_program(actor))
    touches = f"expected to change {actor.touches}" if actor.touches else ""
    for words in filter(None, (funds_of(history, opened), touches)):
        show(visible(str(words)))
    if changed := history.changed:
        show(f"changed by {visible(str(changed.by))} at {changed.at.astimezone():%Y-%m-%d %H:%M}")
    if view.task:
        show(f"works on: {visible(view.task.message.text)}\n  run {view.task.run_id}")
        if why := why_in_fleet(invocation, view):
            show(f"  {why}")
    for message in view.waiting:
        show(f"waits: {visible(message.text)} (from {visible(str(message.sender))})")
    for one in history.answers[-_SHOWN:]:
        show(f"\ntask: {visible(one.message.text)} (from {visible(str(one.message.sender))})")
        show("\n".join(f"  {line}" for part in answered_lines(one) for line in part.splitlines()))
    return ExitCode.DONE


part = actor_show
