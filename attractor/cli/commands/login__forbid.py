"""Let a program use your login no longer."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result


@click.command()
@click.argument("program")
@json_option
@click.pass_obj
def forbid(invocation: Invocation, program: str, as_json: bool) -> ExitCode:
    """Let PROGRAM use your login in the sandbox no longer."""
    from attractor.config.logins import AllowedLogins

    AllowedLogins(invocation.configuration.settings.state_dir).forbid(program)
    words = f"login of {program}: not allowed"
    return show_result({"program": program, "allowed": False}, words, as_json=as_json)


part = forbid
