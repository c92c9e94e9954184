"""List the logins that programs may use."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result


@click.command("list")
@json_option
@click.pass_obj
def list_logins(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the logins that programs may use in the sandbox, and whether their token is set."""
    from attractor.config.logins import LOGIN_VARIABLES, AllowedLogins

    allowed = AllowedLogins(invocation.configuration.settings.state_dir).all()
    is_set = {name for name, one in LOGIN_VARIABLES.items() if invocation.environ.get(one)}
    records = [
        {"program": name, "allowed": allowed.get(name, ""), "is_set": name in is_set}
        for name in LOGIN_VARIABLES
        if name in {*allowed, *is_set}
    ]
    lines = [
        f"{name}  {allowed.get(name, 'not allowed')}, token {'' if name in is_set else 'not '}set"
        for name in LOGIN_VARIABLES
        if name in {*allowed, *is_set}
    ]
    none = "No login is allowed. Allow one: attractor login allow claude"
    return show_result(records, "\n".join(lines) or none, as_json=as_json)


part = list_logins
