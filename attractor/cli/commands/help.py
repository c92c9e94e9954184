"""Show the help of a command, of a topic, or the list of all commands."""

import click

from attractor.base.errors import ExitCode, UnknownName
from attractor.cli.invocation import FolderGroup
from attractor.cli.output.streams import show

ALL = "all"


@click.command()
@click.argument("words", nargs=-1, metavar="[COMMAND|TOPIC|all]...")
@click.pass_context
def help(ctx: click.Context, words: tuple[str, ...]) -> ExitCode:
    """Show the help of a command, of a topic, or the list of all commands.

    Without words, show the main help. A command of a group is two words: suite register. A topic is
    found by words of its title in the main help: machines, or write pipelines.
    """
    root = found = ctx.find_root()
    for word in words:
        group = found.command
        command = group.get_command(found, word) if isinstance(group, click.Group) else None
        if command is None:
            show(_topics(root, words) or _unknown(found, word))
            return ExitCode.DONE
        found = click.Context(command, info_name=word, parent=found)
    show(found.get_help())
    return ExitCode.DONE


def _topics(root: click.Context, words: tuple[str, ...]) -> str:
    assert isinstance(root.command, FolderGroup)
    topics = root.command.topics(root, () if words == (ALL,) else words)
    return root.command.explain(root, topics)


def _unknown(found: click.Context, word: str) -> str:
    if isinstance(found.command, FolderGroup):
        raise found.command.unknown_command(found, word)
    raise UnknownName("command", word, ())


part = help
