"""Let a program use your login in the sandbox."""

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import user_name


@click.command()
@click.argument("program")
@json_option
@click.pass_obj
def allow(invocation: Invocation, program: str, as_json: bool) -> ExitCode:
    """Let PROGRAM (claude) use your login in the sandbox, from now on.

    The token in CLAUDE_CODE_OAUTH_TOKEN, which 'claude setup-token' prints, is added to the model
    calls of this program outside of the sandbox, if no API key is set. It never enters the sandbox,
    and nothing else uses it. The terms of the vendor about its subscription hold.
    """
    from attractor.config.logins import LOGIN_VARIABLES, AllowedLogins

    logins = AllowedLogins(invocation.configuration.settings.state_dir)
    logins.allow(program, by=user_name(invocation), now=SystemClock().now())
    variable = LOGIN_VARIABLES[program]
    lines = [f"login of {program}: allowed"]
    if not invocation.environ.get(variable):
        lines.append(f"set {variable}, which 'claude setup-token' prints")
    return show_result({"program": program, "allowed": True}, *lines, as_json=as_json)


part = allow
