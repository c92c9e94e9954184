"""Create a token that identifies the person who decides."""

import secrets

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.factory.tokens import SCOPES, TokenStore


@click.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default=SCOPES[0],
    show_default=True,
    help="Allow only this action with the token.",
)
@json_option
@click.pass_obj
def create(invocation: Invocation, name: str, scope: str, as_json: bool) -> ExitCode:
    """Create a token that proves who decides.

    The token is printed once and not stored. Pass it to 'attractor decide' in the variable
    ATTRACTOR_TOKEN. Never give it to an agent.
    """
    secret = secrets.token_urlsafe(32)
    token = TokenStore(invocation.configuration.settings.state_dir).create(name, scope, secret)
    if as_json:
        show_json({"name": token.name, "scope": token.scope, "token": secret})
    else:
        show(secret)
    return ExitCode.DONE


part = create
