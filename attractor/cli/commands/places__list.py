"""List the places in which runs can work."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.setup import project_of


@click.command()
@json_option
@click.pass_obj
def places_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the places of the settings, in which runs with --place NAME work."""
    places = project_of(invocation).places
    rows = [("name", "kind", "host or image", "root")]
    rows += [
        (name, one.kind, one.host or one.image, one.root if one.host else "")
        for name, one in sorted(places.items())
    ]
    none = "There are no places: add [places.NAME] with a host or an image to attractor.toml"
    words = "\n".join(table(rows)) if places else none
    found = [{"name": name, **one.to_record()} for name, one in sorted(places.items())]
    return show_result(found, words, as_json=as_json)


part = places_list
