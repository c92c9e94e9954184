"""The root command `attractor`, and groups of commands that are imported on use."""

import click

from attractor import __version__
from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.cli.invocation import Invocation, debug_option

GROUP_SUMMARIES = {
    "profile": "Manage profiles: the policies that runs are judged by",
    "suite": "Manage suites of scenarios",
    "token": "Manage tokens that prove who decides",
    "twin": "Serve and check twins of model providers and other services",
}
"""Groups of other distributions list their commands instead."""


class FolderGroup(click.Group):
    """Commands of a registry whose names start with a prefix.

    A dot in a part's name is a space on the command line: `suite.register` is `suite register`.
    """

    def __init__(
        self, parts: Registry[click.Command], *, prefix: str = "", name: str, help: str
    ) -> None:
        super().__init__(name, help=help, no_args_is_help=True)
        self.parts = parts
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names without importing a command."""
        below = [name.removeprefix(self.prefix) for name in self.parts if self._holds(name)]
        return list(dict.fromkeys(name.split(".")[0] for name in below))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or return a nested group."""
        full = self.prefix + cmd_name
        if full in self.parts:
            return _with_debug(self.parts[full])
        if cmd_name in self.list_commands(ctx):
            return FolderGroup(
                self.parts, prefix=f"{full}.", name=cmd_name, help=f"{self._summary(full)}."
            )
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command by its first word; suggest similar names for an unknown one."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise UnknownName("command", f"{self.prefix}{name}".replace(".", " "), self._known(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command list from the first lines of the modules."""
        rows = [(name, self._summary(self.prefix + name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def _holds(self, name: str) -> bool:
        return name.startswith(self.prefix)

    def _known(self, ctx: click.Context) -> list[str]:
        return [f"{self.prefix}{name}".replace(".", " ") for name in self.list_commands(ctx)]

    def _summary(self, full: str) -> str:
        if full in self.parts:
            return self.parts.summary(full)
        start = f"{full}."
        below = [part.removeprefix(start) for part in self.parts if part.startswith(start)]
        return GROUP_SUMMARIES.get(full, f"Commands: {', '.join(below)}")


def _with_debug(command: click.Command) -> click.Command:
    """Accept `--debug` after the command name, too."""
    if not any(option.name == "debug" for option in command.params):
        debug_option(hidden=True)(command)
    return command


PROGRAM = "attractor"
HELP = """Run pipelines drawn as DOT graphs.

Coding agents do the work, hidden scenarios judge it, and a person decides what is promoted.
"""


def build_root() -> click.Group:
    """Build the command `attractor` from the commands folder."""
    root = FolderGroup(command_registry(), name=PROGRAM, help=HELP)
    root.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    root.params = [_config_option()]
    debug_option()(root)
    click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(root)
    return root


def command_registry() -> Registry[click.Command]:
    """Return the registry of commands; none is imported."""
    return Registry("attractor.cli.commands", click.Command, noun="command")


def _config_option() -> click.Option:
    return click.Option(
        ["-c", "--config"],
        multiple=True,
        metavar="KEY=VALUE",
        expose_value=False,
        callback=_remember_flags,
        help="Override a setting, such as output.color=never. May be repeated.",
    )


def _remember_flags(ctx: click.Context, option: click.Parameter, value: tuple[str, ...]) -> None:
    ctx.ensure_object(Invocation).flags = value
