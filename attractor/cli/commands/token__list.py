"""List the tokens."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import token_store


@click.command("list")
@json_option
@click.pass_obj
def list_tokens(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the tokens, without their secrets.

    Exit with 6 if the token file was changed by an unknown process.
    """
    tokens = token_store(invocation).list()
    lines: list[str] = []
    for token in tokens:
        made = f"created {token.created:%Y-%m-%d %H:%M} by {token.by}"
        within = f"  for {', '.join(token.projects)}" if token.projects else ""
        lines.append(f"{token.name}  {token.scope}  {made}{within}")
    words = "\n".join(lines) or "There are no tokens. Create one: attractor token create NAME"
    return show_result([token.to_record() for token in tokens], words, as_json=as_json)


part = list_tokens
