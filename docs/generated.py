"""Writes the parts of the reference that follow from the code; cog puts them into the pages."""

from collections.abc import Iterator

import click

from attractor.base.errors import ExitCode
from attractor.cli.command_group import PROGRAM, build_root
from attractor.config.reference import list_settings
from attractor.config.settings import Settings

WIDTH = 100


def commands() -> str:
    """Return the help of every command, as `--help` prints it."""
    root = build_root()
    context = click.Context(
        root,
        info_name=PROGRAM,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return "\n".join(_pages(root, context))


def _pages(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _pages(below, click.Context(below, info_name=name, parent=context))


def settings() -> str:
    """Return a table of every setting."""
    rows = [
        f"| `{one.key}` | {one.kind} | {one.default} | `{one.variable}` | {one.description} |"
        for one in list_settings(Settings)
    ]
    head = ["| key | type | default | variable | description |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def exit_codes() -> str:
    """Return a table of every exit code."""
    rows = [f"| {int(code)} | {code.meaning} |" for code in ExitCode]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])
