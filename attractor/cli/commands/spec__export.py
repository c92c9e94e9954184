"""Export a specification as a YAML document or as files of the repository."""

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of


@click.command()
@click.argument("spec", metavar="[ID]", default="HEAD")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the specification as a document.")
@click.option(
    "--files",
    "as_files",
    is_flag=True,
    help="Write spec/nodes of a repository without a specification, to be committed.",
)
@json_option
@click.pass_obj
def export(
    invocation: Invocation, spec: str, as_yaml: bool, as_files: bool, as_json: bool
) -> ExitCode:
    """Export a specification as a YAML document or as files of the repository.

    ID is the id of a specification, the beginning of an id, or HEAD (default), the specification in
    the repository. 'attractor spec normalize' reads the document back to the same specification.
    With --files and an ID, the first specification of an app gets into its repository; later ones
    get there by plans only, and the command exits with 4.
    """
    if as_yaml == as_files:
        raise UsageError("choose --yaml or --files", hint="attractor spec export ID --yaml")
    if as_files and spec == "HEAD":
        hint = "list the ids: attractor spec show --all"
        raise UsageError("--files writes a stored specification: missing ID", hint=hint)
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import export_document, export_files

    control_plane = control_plane_of(invocation)
    record = (export_files if as_files else export_document)(control_plane, spec)
    if as_json:
        show_json(record)
    elif as_files:
        count = len(control_plane.specs.load(spec).graph)
        show(f"wrote {count} files below spec/nodes\nnext: git add spec && git commit")
    else:
        show(str(record["document"]).rstrip("\n"), is_file=True)
    return ExitCode.DONE


part = export
