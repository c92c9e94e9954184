"""Answer an open question of a specification."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of
from attractor.cli.runs.specs import spec_lines


@click.command("answer")
@click.argument("spec", metavar="ID")
@click.argument("node")
@click.argument("answer", nargs=-1, required=True)
@json_option
@click.pass_obj
def answer_specification(
    invocation: Invocation, spec: str, node: str, answer: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Answer an open question of a specification.

    ID is the id of a specification, the beginning of an id, or HEAD, the specification in the
    repository. The ANSWER replaces the first [NEEDS CLARIFICATION: question] of the NODE, and the
    answered specification is stored with an id of its own.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import answer_clarification

    control_plane = control_plane_of(invocation)
    record = answer_clarification(control_plane, spec, node, " ".join(answer))
    return show_result(record, *spec_lines(record), as_json=as_json)


part = answer_specification
