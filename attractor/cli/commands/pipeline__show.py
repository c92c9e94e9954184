"""Show a registered pipeline."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.resources import stores_of, version_line
from attractor.cli.shell_completion import complete_pipelines
from attractor.engine.storage.json_files import Fields
from attractor.factory.resources.versions import Version


@click.command("show")
@click.argument("reference", metavar="NAME[@VERSION]", shell_complete=complete_pipelines)
@json_option
@click.pass_obj
def show_pipeline(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Show a version of a pipeline: its origin, files, validation result and text."""
    store = stores_of(invocation).pipelines
    version = store.versions.find(reference)
    pipeline = store.read(version)
    if as_json:
        show_json({**version.to_record(), "text": pipeline.text})
    else:
        show("\n".join([version_line(version), *_details(version), "", pipeline.text.rstrip()]))
    return ExitCode.DONE


def _details(version: Version) -> list[str]:
    data = Fields(version.data, str(version))
    files = [f"  {name} {str(one)[:12]}" for name, one in data.members("files").items()]
    found = [
        f"  line {one.number('line')}: {one.text('severity')}: {one.text('message')}"
        for one in data.inners("diagnostics")
    ]
    return [f"  read from {data.text('file')}", *files, *(found or ["  valid: no problems found"])]


part = show_pipeline
