"""Show the help of a command."""

import click

from attractor.base.errors import ExitCode, UnknownName
from attractor.cli.output.streams import show


@click.command()
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help(ctx: click.Context, words: tuple[str, ...]) -> ExitCode:
    """Show the help of a command.

    Without COMMAND, list all commands. A command of a group is two words: suite register.
    """
    found = ctx.find_root()
    for word in words:
        group = found.command
        command = group.get_command(found, word) if isinstance(group, click.Group) else None
        if command is None:
            known = group.list_commands(found) if isinstance(group, click.Group) else ()
            raise UnknownName("command", word, known)
        found = click.Context(command, info_name=word, parent=found)
    show(found.get_help())
    return ExitCode.DONE


part = help
