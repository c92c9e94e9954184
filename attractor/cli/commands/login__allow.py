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
    """Let PROGRAM (claude, codex) use your login in the sandbox, from now on.

    The token of the login is added to the model calls of this program outside of the sandbox, if no
    API key is set. It never enters the sandbox, and nothing else uses it. The login is the one in
    the file of the program, or for claude the token in CLAUDE_CODE_OAUTH_TOKEN, which 'claude
    setup-token' prints. The terms of the vendor about its subscription hold.
    """
    from attractor.config.logins import LOGINS, AllowedLogins

    logins = AllowedLogins(invocation.configuration.settings.state_dir)
    logins.allow(program, by=user_name(invocation), now=SystemClock().now())
    place = LOGINS[program]
    lines = [f"login of {program}: allowed"]
    if not place.source(invocation.environ):
        lines.append(f"there is no login yet; {place.remedy}")
    return show_result({"program": program, "allowed": True}, *lines, as_json=as_json)


part = allow
