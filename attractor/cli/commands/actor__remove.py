"""Remove an actor with its folder."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import canceler, find, sender_of
from attractor.cli.runs.dimensions import force_option, require_elsewhere, show_removed
from attractor.worlds.orders import remove
from attractor.worlds.records import actor_record
from attractor.worlds.status import read_actor


@click.command()
@click.argument("name", metavar="ACTOR")
@force_option
@json_option
@click.pass_obj
def actor_remove(invocation: Invocation, name: str, force: bool, as_json: bool) -> ExitCode:
    """Remove an actor: stop it, archive it, and remove the folder that was made for it.

    As 'dimension remove', this refuses to lose changes; the actor is stopped then. Its records and
    its runs stay. A folder in which other actors work stays, and a folder of yours.
    """
    folder, opened = find(invocation, name)
    require_elsewhere(invocation, folder.read().actor.folder, opened)
    removed = remove(
        folder, sender_of(invocation), opened, canceler(invocation, folder, opened), force=force
    )
    if as_json:
        gone = {"kept": removed.kept, "ignored": [*removed.ignored]} if removed else None
        show_json({**actor_record(read_actor(folder)), "removed": gone})
        return ExitCode.DONE
    show(f"The actor {folder.name} is archived{' and its folder removed' if removed else ''}.")
    if removed:
        show_removed(removed)
    return ExitCode.DONE


part = actor_remove
