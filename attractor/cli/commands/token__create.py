"""Create a token that identifies an operator."""

import secrets
from collections.abc import Mapping

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.orders import operator_name, token_store
from attractor.cli.runs.references import find_project
from attractor.config.user_folders import TOKEN_VARIABLE
from attractor.factory.decisions.decide import Operator, Proof
from attractor.factory.errors import InvalidToken
from attractor.factory.operator_process import Scope
from attractor.language.source.text import visible


@click.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope if scope is not Scope.START]),
    default=Scope.DECIDE.value,
    show_default=True,
    help="Allow only these actions with the token; each scope includes the scopes before it.",
)
@click.option(
    "--project",
    "projects",
    metavar="PROJECT",
    multiple=True,
    help="Allow them only in this project, the name or path of its folder (default: in all).",
)
@click.option(
    "--universe", default="", help="Allow them only in the present worlds of this universe."
)
@json_option
@click.pass_obj
def create(
    invocation: Invocation,
    name: str,
    scope: str,
    projects: tuple[str, ...],
    universe: str,
    as_json: bool,
) -> ExitCode:
    """Create a token that proves who decides.

    Asks for confirmation at a terminal; without a terminal, set ATTRACTOR_TOKEN to a token with the
    scope 'decide'. The new token is printed once and not stored. Pass it to 'attractor decide' in
    the variable ATTRACTOR_TOKEN. Never give it to an agent. A world that a universe gets later
    needs a new token.
    """
    folders = [find_project(invocation, name) for name in projects]
    chosen = {folder.project_id: folder.root.name for folder in folders}
    chosen |= _worlds(invocation, universe) if universe else {}
    if invocation.environ.get(TOKEN_VARIABLE):
        creator = Operator(operator_name(invocation, everywhere=True), Proof.TOKEN)
    else:
        if not invocation.has_terminal:
            raise InvalidToken(
                "cannot prove who creates the token: there is no terminal",
                hint=f"run it at a terminal, or set {TOKEN_VARIABLE} to a token of scope decide",
            )
        within = " for " + ", ".join(chosen.values()) if chosen else ""
        asked = f"Create the token {name!r} with the scope {scope}{within}?"
        click.confirm(visible(asked), abort=True, err=True)
        creator = Operator(operator_name(invocation, everywhere=True), Proof.TERMINAL)
    secret = secrets.token_urlsafe(32)
    by = f"{creator.name} ({creator.proof})"
    ids = [*chosen]
    token = token_store(invocation).create(
        name, scope, secret, by=by, now=SystemClock().now(), projects=ids
    )
    record = {"name": token.name, "scope": token.scope, "projects": ids, "token": secret}
    return show_result(record, secret, as_json=as_json)


def _worlds(invocation: Invocation, name: str) -> Mapping[str, str]:
    """Return the names of the worlds of a universe, by the ids of their projects."""
    # Imported here, because only the fleet needs a database.
    from attractor.fleet.views.universe_views import find_universe

    _, *worlds = in_fleet(invocation, lambda fleet: find_universe(fleet, name))
    if not worlds:
        raise UsageError(
            f"universe {name} has no worlds yet",
            hint=f"let one come: attractor universe caps {name} --world PROJECT",
        )
    return {world.id: world.address for world in worlds}


part = create
