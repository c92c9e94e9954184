"""List the logins that programs may use."""

import click

from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result


@click.command("list")
@json_option
@click.pass_obj
def list_logins(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the logins of this machine, and which programs may use theirs in the sandbox."""
    from attractor.config.logins import LOGINS, AllowedLogins

    allowed = AllowedLogins(invocation.configuration.settings.state_dir).all()
    records, lines = list[Json](), list[str]()
    for name, place in LOGINS.items():
        source = place.source(invocation.environ)
        if not (source or name in allowed):
            continue
        records.append(
            {
                "program": name,
                "allowed": allowed.get(name, ""),
                "is_set": bool(source),
                "source": source,
            }
        )
        lines.append(f"{name}  {allowed.get(name, 'not allowed')}, {source or 'no login'}")
    none = "No login was found. Log in: claude, or codex login"
    return show_result(records, "\n".join(lines) or none, as_json=as_json)


part = list_logins
