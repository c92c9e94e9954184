"""Show a registered pipeline."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.resources import version_line
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_pipelines
from attractor.engine.storage.json_files import Fields


@click.command("show")
@click.argument("reference", metavar="NAME[@VERSION]", shell_complete=complete_pipelines)
@json_option
@click.pass_obj
def show_pipeline(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Show a version of a pipeline: its origin, files, validation result and text."""
    store = opened_of(invocation).pipelines
    version = store.versions.find(reference)
    pipeline = store.read(version)
    if as_json:
        show_json({**version.to_record(), "text": pipeline.text})
    else:
        data = Fields(version.data, str(version))
        files = [f"  {name} {str(one)[:12]}" for name, one in data.members("files").items()]
        lines = [
            f"  line {inner.number('line')}: {inner.text('severity')}: {inner.text('message')}"
            for inner in data.inners("diagnostics")
        ]
        found = lines or ["  valid: no problems found"]
        head = [version_line(version), f"  read from {data.text('file')}", *files, *found]
        show("\n".join([*head, "", pipeline.text.rstrip()]))
    return ExitCode.DONE


part = show_pipeline
