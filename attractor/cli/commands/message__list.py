"""List the messages of an actor, with their answers."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.actors import find
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.worlds.messages import Message
from attractor.worlds.records import message_records, open_messages
from attractor.worlds.status import read_actor

_LONGEST_TEXT = 60


@click.command()
@click.argument("name", metavar="ACTOR")
@json_option
@click.pass_obj
def message_list(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """List the messages of an actor, oldest first, with their answers."""
    folder, _ = find(invocation, name)
    view = read_actor(folder)
    rows = [("sent", "from", "text", "status", "run")]
    for one in view.history.answers:
        ended = "succeeded" if one.succeeded else "failed"
        rows.append(_row(one.message, ended, one.run_id))
    rows += [_row(*one) for one in open_messages(view)]
    words = "\n".join(table(rows)) if len(rows) > 1 else "There are no messages."
    return show_result(message_records(view), words, as_json=as_json)


def _row(message: Message, status: str, run_id: str) -> tuple[str, str, str, str, str]:
    return (
        f"{message.sent.astimezone():%Y-%m-%d %H:%M:%S}",
        visible(str(message.sender)),
        visible(shorten(message.text, _LONGEST_TEXT)),
        status,
        run_id,
    )


part = message_list
