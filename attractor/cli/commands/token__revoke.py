"""Revoke a token."""

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import token_store, user_name


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def revoke(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Revoke a token, which is then refused everywhere."""
    # Not the holder of a token: this command also repairs a corrupt file of tokens.
    by = user_name(invocation)
    token_store(invocation).revoke(name, by=by, now=SystemClock().now())
    return show_result({"name": name, "revoked": True}, f"token {name}: revoked", as_json=as_json)


part = revoke
