"""The arguments and environment of one call, and options shared by commands."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.cli.output.streams import wants_color

if TYPE_CHECKING:
    from pathlib import Path

    from attractor.config.schema import Configuration
    from attractor.config.settings import Settings


@dataclass
class Invocation:
    """Environment variables, flags, folder and configuration of one call."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    flags: tuple[str, ...] = ()
    debug: bool = False

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
"""The format that `--json` stands for."""

C = TypeVar("C", bound=Callable[..., Any] | click.Command)


def json_option(command: C) -> C:
    """Add `--json`: print the result as one JSON value to standard output."""
    option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    return option(command)


def chosen_format(format_: str | None, *, as_json: bool) -> str | None:
    """Return the format chosen by --format or --json, if any."""
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
