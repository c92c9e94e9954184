"""Compare two specifications."""

from typing import Any, cast

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@json_option
@click.pass_obj
def diff_specifications(invocation: Invocation, before: str, after: str, as_json: bool) -> ExitCode:
    """Compare two specifications.

    A and B are ids, the beginnings of ids, or HEAD, the specification in the repository. Each line
    is one change: a node was added, removed, renamed or moved, or a field or a relation changed.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import compare

    record = compare(control_plane_of(invocation), before, after)
    changes = cast("list[dict[str, Any]]", record["changes"])
    words = "\n".join(change["text"] for change in changes) or "the specifications are equal"
    return show_result(record, words, as_json=as_json)


part = diff_specifications
