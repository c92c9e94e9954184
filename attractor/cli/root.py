"""The command `attractor` itself: the options before every command, and the folder of commands."""

import click

from attractor import __version__
from attractor.base.registry import Registry
from attractor.cli.groups import FolderGroup
from attractor.cli.invocation import Invocation
from attractor.cli.options import debug_option

PROGRAM = "attractor"
HELP = """Run pipelines drawn as DOT graphs.

Coding agents do the work, hidden scenarios judge it, and a person decides what is promoted.
"""


def build_root() -> click.Group:
    """Make the command `attractor`, its commands read from their folder."""
    root = FolderGroup(command_registry(), name=PROGRAM, help=HELP)
    root.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    root.params = [_config_option()]
    debug_option()(root)
    click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(root)
    return root


def command_registry() -> Registry[click.Command]:
    """Return the commands by name, none of them imported."""
    return Registry("attractor.cli.commands", click.Command, noun="command")


def _config_option() -> click.Option:
    return click.Option(
        ["-c", "--config"],
        multiple=True,
        metavar="KEY=VALUE",
        expose_value=False,
        callback=_remember_flags,
        help="Set a setting for this call, such as output.color=never. May be repeated.",
    )


def _remember_flags(ctx: click.Context, option: click.Parameter, value: tuple[str, ...]) -> None:
    ctx.ensure_object(Invocation).flags = value
