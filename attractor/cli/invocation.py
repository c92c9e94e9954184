"""One call of the command line, and the command group that loads commands."""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NeedsLinux, UnknownName, UsageError
from attractor.base.registry import Registry
from attractor.cli.output.streams import wants_color
from attractor.cli.synonyms import find_command, find_elsewhere
from attractor.factory.operator_process import refuse_in_run

if TYPE_CHECKING:
    from pathlib import Path

    from attractor.config.configuration import Configuration
    from attractor.config.settings import Settings


@dataclass
class Invocation:
    """A call of the command line: environment variables, flags, folder and configuration.

    With `owns_process`, the process executes only this call.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    flags: tuple[str, ...] = ()
    debug: bool = False
    owns_process: bool = False

    @cached_property
    def folder(self) -> "Path":
        """The current folder."""
        from pathlib import Path

        try:
            return Path.cwd()
        except OSError as error:
            raise UsageError(
                "the current folder does not exist any more", hint="change to an existing folder"
            ) from error

    @cached_property
    def configuration(self) -> "Configuration[Settings]":
        """The effective settings, loaded on first use."""
        from attractor.config.load import load_configuration
        from attractor.config.user_folders import user_config_file

        return load_configuration(
            start=self.folder,
            cwd=self.folder,
            environ=self.environ,
            flags=self.flags,
            user_file=user_config_file(),
        )

    def enter(self, folder: "Path") -> None:
        """Make the project in a folder the project of this command, with the same state folder."""
        state_dir = self.configuration.settings.state_dir
        self.flags = (*self.flags, f"state_dir={state_dir}")
        self.__dict__["folder"] = folder
        del self.__dict__["configuration"]

    @property
    def color(self) -> bool:
        """Whether standard output is colored."""
        choice = self.configuration.settings.output.color
        return wants_color(choice, self.environ, sys.stdout)

    @property
    def has_terminal(self) -> bool:
        """Whether standard input is a terminal."""
        return sys.stdin is not None and sys.stdin.isatty()


JSON = "json"

THIS_PROGRAM = (sys.executable, "-P", "-m", "attractor")
"""The program of this process; `-P` ignores modules in the project's folder."""
"""The format selected by `--json`."""

C = TypeVar("C", bound=Callable[..., Any] | click.Command)


def json_option(command: C) -> C:
    """Add `--json`: print the result as one JSON value to standard output."""
    option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    return option(command)


def json_lines_option(command: C) -> C:
    """Add `--json` to a command that walks a run: print its events as JSON lines, then the result.

    The result is the last line.
    """
    words = "Print each event as a line of JSON, and the result as the last line."
    return click.option("--json", "as_json", is_flag=True, help=words)(command)


class _ReasonOption(click.Option):
    """`--reason`, which also answers to the words that it had in earlier versions."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Accept the earlier words, which neither help nor completion lists."""
        super().add_to_parser(parser, ctx)
        parser.add_option(self, ["--why", "--rationale"], self.name)


def reason_option(help: str, *, required: bool = False) -> Callable[[C], C]:
    """Add `--reason`: the words of a person for the records."""
    if required:
        # With any default, also None, click takes the option as given.
        return click.option("--reason", cls=_ReasonOption, required=True, help=help)
    return click.option("--reason", cls=_ReasonOption, default="", help=help)


def chosen_format(format_: str | None, *, as_json: bool) -> str | None:
    """Return the format that `--format` or `--json` chooses, or None."""
    if as_json and format_ not in (None, JSON):
        message = f"--json cannot be combined with --format {format_}"
        raise UsageError(message, hint="remove one of them")
    return JSON if as_json else format_


def debug_option(*, hidden: bool = False) -> Callable[[C], C]:
    """Add `--debug`: show the traceback of an error."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        hidden=hidden,
        callback=_remember_debug,
        help="Show the traceback of an error.",
    )


def _remember_debug(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).debug = True


GROUP_SUMMARIES = {
    "actor": "Let agents stay: spawn, list, prompt, stop and archive actors",
    "automation": "Start pipelines by a schedule, a request, a promotion, a ticket or an issue",
    "audit": "Verify all records, and build the index of runs again",
    "dimension": "Make, list, compare and remove folders in which runs work",
    "fleet": "Show, explain and limit the runs that workers execute on many machines",
    "gallery": "List, show and copy the pipelines that run by name",
    "grow": "Plan, simulate and deploy the growth of an app",
    "message": "Send messages to actors, and list them",
    "pipeline": "Manage the registered pipelines of the project",
    "places": "List and check the hosts on which runs can work over SSH",
    "pr": "List the pull requests of results, read what others said, and begin the next round",
    "profile": "Manage profiles: environment, models and policy of runs",
    "queue": "Show and promote the approved runs that wait to land on a branch",
    "spec": "Turn desires into the specification of an app; show, draw, compare and verify it",
    "suite": "Manage suites of scenarios",
    "token": "Manage tokens that identify the person who decides",
    "world": "Show the projects of the state folder with their dimensions and actors",
    "universe": "Make and limit the universes of the fleet: names in front of worlds",
    "twin": "Serve and check twins (mock servers) of model providers and services",
}
"""Summaries of the built-in groups; a group of another distribution lists its commands instead."""

MEANT = {"": "overview", "queue": "list"}
"""The commands that groups mean when no command is named; the root one only in a repository."""

FIRST_WEEK = "judge run init agent attention decide promote serve doctor"
"""The commands that the main help explains, in the order of use; missing ones are left out."""

PURPOSES = {
    "Write pipelines": (
        "init new gallery validate fmt render diff rules simulate test estimate convert lsp"
    ),
    "Run pipelines": "run race agent automation exec resume fork rewind answer steer pause cancel",
    "Let agents stay": (
        "actor mission memory dimension comment message attention snooze tui up world"
    ),
    "Run on many machines": "worker fleet universe",
    "Watch runs": "overview serve runs status logs diagnose ask",
    "Judge results": "judge evaluate gate suite pipeline profile token",
    "Decide and promote": (
        "decide amend promote proposal queue pr rebase rollback history audit report"
    ),
    "Grow apps": "spec grow",
    "Replace and choose models": "models agents twin",
    "Set up and clean up": "doctor places login completion skill mcp gc help",
}
"""The commands by purpose; missing ones are left out, those of other distributions come last."""

OPERATOR_COMMANDS = (
    "actor",
    "agent",
    "amend",
    "answer",
    "ask",
    "attention",
    "audit.clock",
    "automation",
    "cancel",
    "comment",
    "decide",
    "dimension",
    "evaluate",
    "exec",
    "fleet.drain",
    "fleet.limit",
    "fork",
    "gc",
    "grow",
    "judge",
    "login",
    "mcp",
    "memory",
    "message",
    "mission",
    "new",
    "overview",
    "pause",
    "pipeline",
    "places",
    "pr",
    "profile",
    "promote",
    "proposal",
    "race",
    "queue",
    "rebase",
    "resume",
    "rewind",
    "rollback",
    "run",
    "serve",
    "snooze",
    "spec",
    "steer",
    "suite",
    "token",
    "tui",
    "universe.archive",
    "universe.caps",
    "universe.create",
    "up",
    "worker",
)
"""The commands and groups that act for a person: they are refused in processes of a run."""

EVERYWHERE = (
    *(
        "agents",
        "completion",
        "convert",
        "diff",
        "fmt",
        "gallery",
        "help",
        "lsp",
        "models",
        "render",
    ),
    *("rules", "simulate", "skill", "test", "validate"),
)
"""The commands and groups that need no Linux: they start no agent, and hold no lock."""


class FolderGroup(click.Group):
    """A group of the registry's commands whose names start with a prefix.

    A dot in a part's name is a space on the command line: `suite.register` is `suite register`.
    """

    def __init__(
        self,
        parts: Registry[click.Command],
        *,
        prefix: str = "",
        name: str,
        help: str,
        epilog: str = "",
        purposes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(name, help=help, epilog=epilog, no_args_is_help=True)
        self.parts = parts
        self.prefix = prefix
        self.purposes = purposes

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the command that the group means, if none is named."""
        meant = MEANT.get(self.prefix.removesuffix("."))
        is_alone = not args or (args[0] == "--json" and self.prefix)
        # The shell completes the name of a command.
        if meant and is_alone and not ctx.resilient_parsing:
            is_meant = _is_in_repository(ctx) if self.purposes else self.prefix
            args = [meant, *args] if is_meant else args
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names, without importing the commands."""
        below = [
            name.removeprefix(self.prefix) for name in self.parts if name.startswith(self.prefix)
        ]
        return list(dict.fromkeys(name.split(".")[0] for name in below))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or return a nested group."""
        full = self.prefix + cmd_name
        if full in self.parts:
            # Accept `--debug` after the command name, too.
            command = self.parts[full]
            if not any(option.name == "debug" for option in command.params):
                debug_option(hidden=True)(command)
            if not gc.isenabled():
                # The collector skips the modules imported so far, which saves a tenth of a run.
                gc.freeze()
                gc.enable()
            if sys.platform != "linux" and full.partition(".")[0] not in EVERYWHERE:
                return _for_linux(command, full)
            return _for_operator(command, full) if is_operator_command(full) else command
        if cmd_name in self.list_commands(ctx):
            return FolderGroup(
                self.parts, prefix=f"{full}.", name=cmd_name, help=f"{self._summary(full)}."
            )
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command by its first word; for an unknown word, suggest similar names."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise self.unknown_command(ctx, name)
        return super().resolve_command(ctx, args)

    def unknown_command(self, ctx: click.Context, name: str) -> UnknownName:
        """Return the error about an unknown command, with the nearest commands of all groups."""
        group, names = self.prefix.replace(".", " "), self.list_commands(ctx)
        error = UnknownName("command", f"{group}{name}", [f"{group}{one}" for one in names])
        is_near = error.hint.startswith("did you mean")
        commands = [one.replace(".", " ") for one in self.parts]
        meant = find_command(group.strip(), name, names)
        if meant := meant or find_elsewhere(name, commands, is_near=is_near):
            error.hint = f"did you mean {meant}?"
        return error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands; with purposes, the first ones and the names of all by topic."""
        names = self.list_commands(ctx)
        if not self.purposes:
            self._write_section(formatter, "Commands", names)
            return
        first = [name for name in FIRST_WEEK.split() if name in names]
        self._write_section(formatter, "The first week, in the order of use", first)
        with formatter.section("All commands"):
            formatter.write_dl([(title, " ".join(own)) for title, own in self.topics(ctx)])

    def topics(self, ctx: click.Context, words: Sequence[str] = ()) -> list[tuple[str, list[str]]]:
        """Return the titles that have all these words, each with its commands."""
        names = self.list_commands(ctx)
        named = {name for purpose in self.purposes.values() for name in purpose.split()}
        others = [name for name in names if name not in named]
        sections = {**self.purposes, "Other commands": " ".join(others)}
        found = [
            (title, [name for name in purpose.split() if name in names])
            for title, purpose in sections.items()
            if {word.casefold() for word in words} <= {*title.casefold().split()}
        ]
        return [(title, own) for title, own in found if own]

    def explain(self, ctx: click.Context, topics: Sequence[tuple[str, Sequence[str]]]) -> str:
        """Return the commands of topics with their summaries."""
        formatter = ctx.make_formatter()
        widest = max((len(name) for _, names in topics for name in names), default=0)
        for title, names in topics:
            self._write_section(formatter, title, names, widest)
        return formatter.getvalue().strip("\n")

    def _write_section(
        self, formatter: click.HelpFormatter, title: str, names: Sequence[str], widest: int = 0
    ) -> None:
        # Padded, so that all sections have the same columns.
        rows = [(name.ljust(widest), self._summary(self.prefix + name)) for name in names]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)

    def _summary(self, full: str) -> str:
        if full in self.parts:
            return self.parts.summary(full)
        start = f"{full}."
        below = [part.removeprefix(start) for part in self.parts if part.startswith(start)]
        return GROUP_SUMMARIES.get(full, f"Commands: {', '.join(below)}")


def _is_in_repository(ctx: click.Context) -> bool:
    # Imported here, because few people type no command.
    from attractor.config.projects import find_repository

    return find_repository(ctx.ensure_object(Invocation).folder) is not None


def is_operator_command(name: str) -> bool:
    """Return whether a command, such as `token.create`, is only for the operator."""
    return any(name == command or name.startswith(f"{command}.") for command in OPERATOR_COMMANDS)


def _for_operator(command: click.Command, name: str) -> click.Command:
    """Return a command that is refused in processes of runs; its help is not."""
    guarded = copy(command)

    def call(*arguments: object, **options: object) -> object:
        environ = click.get_current_context().ensure_object(Invocation).environ
        refuse_in_run(f"'attractor {name.replace('.', ' ')}'", environ)
        return command.callback(*arguments, **options) if command.callback else None

    guarded.callback = call
    return guarded


def _for_linux(command: click.Command, name: str) -> click.Command:
    """Return a command that another system refuses; its help is not."""
    guarded = copy(command)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NeedsLinux(f"'attractor {name.replace('.', ' ')}'")

    guarded.callback = refuse
    return guarded


PROGRAM = "attractor"
HELP = """Run pipelines drawn as DOT graphs.

Coding agents execute the stages, hidden scenarios test the result, and a person decides whether to
promote it. 'attractor' alone, in a Git repository, shows where you are and the next command.
"""
EPILOG = """'attractor COMMAND --help' explains a command, 'attractor help machines' the topic with
this word, and 'attractor help all' lists all commands with what they do.
"""


def build_root() -> click.Group:
    """Build the command `attractor` from the commands folder."""
    root = FolderGroup(
        command_registry(), name=PROGRAM, help=HELP, epilog=EPILOG, purposes=PURPOSES
    )
    root.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    root.params = [
        click.Option(
            ["-c", "--config"],
            multiple=True,
            metavar="KEY=VALUE",
            expose_value=False,
            callback=_remember_flags,
            help="Override a setting, such as output.color=never. May be repeated.",
        )
    ]
    debug_option()(root)
    click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(root)
    return root


def command_registry() -> Registry[click.Command]:
    """Return the registry of commands, without importing any command."""
    return Registry("attractor.cli.commands", click.Command, noun="command")


def _remember_flags(ctx: click.Context, option: click.Parameter, value: tuple[str, ...]) -> None:
    ctx.ensure_object(Invocation).flags = value
