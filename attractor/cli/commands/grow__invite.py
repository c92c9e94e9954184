"""Invite a person to the running app by a link."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of


@click.command("invite")
@click.argument("name", metavar="NAME")
@click.option("--role", metavar="ROLE", required=True, help="Role of the specification.")
@click.option("--days", type=int, default=7, help="Days until the link ends (default: 7).")
@click.option("--mail", metavar="ADDRESS", default="", help="Let the app send links to ADDRESS.")
@json_option
@click.pass_obj
def invite_person(
    invocation: Invocation, name: str, role: str, days: int, mail: str, *, as_json: bool
) -> ExitCode:
    """Invite a person to the running app by a link.

    The link signs in once, with a role, and is printed.

    The link is a secret: only its hash is stored. For a person who was invited before, a former
    link ends, and the role changes at once. With --mail, the person may type ADDRESS on the page to
    sign in, and gets a link by mail: the app needs a step that writes the source Mail.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.people import invite

    record = invite(control_plane_of(invocation), name, role, days=days, mail=mail)
    if as_json:
        show_json(record)
        return ExitCode.DONE
    show(f"{record['name']} signs in once as {record['role']}, until {record['until']}:")
    show(str(record["url"]))
    if record["url_here"] != record["url"] and not str(record["url_here"]).startswith("/"):
        show(f"or, on this machine: {record['url_here']}")
    if str(record["url_here"]).startswith("/"):
        show("the app does not answer; start it: attractor grow start")
    return ExitCode.DONE


part = invite_person
