"""Make a token, which proves who decides where nobody sits at a terminal."""

import secrets

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.factory.tokens import SCOPES, Tokens


@click.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), default=SCOPES[0], show_default=True)
@json_option
@click.pass_obj
def create(invocation: Invocation, name: str, scope: str, as_json: bool) -> ExitCode:
    """Make a token, which proves who decides where nobody sits at a terminal.

    It is shown once and kept nowhere. Hand it to 'attractor decide' in the variable
    ATTRACTOR_TOKEN, never to an agent.
    """
    secret = secrets.token_urlsafe(32)
    token = Tokens(invocation.configuration.settings.state_dir).create(name, scope, secret)
    if as_json:
        show_json({"name": token.name, "scope": token.scope, "token": secret})
    else:
        show(secret)
    return ExitCode.DONE


part = create
