"""List the people of the running app, or end the access of one."""

from typing import Any, cast

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.growth import control_plane_of


@click.command("people")
@click.option("--remove", metavar="NAME", help="End the sessions and the link of this person.")
@json_option
@click.pass_obj
def people(invocation: Invocation, remove: str | None, *, as_json: bool) -> ExitCode:
    """List the invited and the signed-in people of the running app with their roles.

    With --remove, end the access of a person at once.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.people import list_people, remove_person

    control_plane = control_plane_of(invocation)
    record = remove_person(control_plane, remove) if remove else list_people(control_plane)
    if as_json:
        show_json(record)
    elif remove:
        show(f"removed {remove}")
    elif found := cast("list[dict[str, Any]]", record["people"]):
        rows = [[one["name"], _role_of(one), *_access_of(one)] for one in found]
        show("\n".join(table([["name", "role", "link until", "sessions", "mail"], *rows])))
    else:
        show("no people; invite one: attractor grow invite NAME --role ROLE")
    return ExitCode.DONE


def _role_of(person: dict[str, Any]) -> str:
    return str(person["role"]) if person["has_role"] else f"{person['role']} (no longer a role)"


def _access_of(person: dict[str, Any]) -> list[str]:
    return [
        str(person["invited_until"])[:19] or "none",
        str(person["sessions"]),
        str(person.get("mail", "")),
    ]


part = people
