"""Draw a specification as a flowchart, a mindmap or a board."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.files import format_for, output_option, write_result
from attractor.cli.output.streams import show_json
from attractor.cli.runs.growth import control_plane_of
from attractor.growth.specification.rendering import DiagramFormat, SpecView

_ENDINGS = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid"}


@click.command("render")
@click.argument("spec", metavar="[ID]", default="HEAD")
@click.option(
    "--mode",
    type=click.Choice([one.value for one in SpecView]),
    default=SpecView.FLOWCHART.value,
    show_default=True,
    help="Draw all relations, the tree, or the columns Backlog, In progress, Review and Done.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in DiagramFormat]),
    help="Choose the output format (default: by the file extension of OUT, otherwise svg).",
)
@output_option("Write to this file (-: stdout).")
@json_option
@click.pass_obj
def render_specification(
    invocation: Invocation,
    spec: str,
    mode: str,
    format_: str | None,
    output: str | None,
    as_json: bool,
) -> ExitCode:
    """Draw a specification as a flowchart, a mindmap or a board.

    ID is the id of a specification, the beginning of an id, or HEAD (default), the specification in
    the repository. Each node is drawn once. On a board, a node is in Backlog until it is built, In
    progress while a plan with it is deployed, in Review while the plan waits for a decision, and
    Done after its deployment.
    """
    chosen = format_for(format_, output, endings=_ENDINGS, default="svg", noun="a drawing")
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import render

    record = render(control_plane_of(invocation), spec, mode, chosen)
    if output or not as_json:
        write_result(str(record["diagram"]).encode(), chosen, output)
    if as_json:
        show_json(record)
    return ExitCode.DONE


part = render_specification
