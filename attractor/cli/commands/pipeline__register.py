"""Register a pipeline as a version."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.pipelines.files import gallery_files
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import context_of, open_pipeline


@click.command()
@click.argument(
    "file", type=click.Path(path_type=Path), metavar="PIPELINE.dot", callback=gallery_files
)
@json_option
@click.pass_obj
def register(invocation: Invocation, file: Path, as_json: bool) -> ExitCode:
    """Register a pipeline as a version, with the prompts and files that it names.

    A pipeline with errors is refused. 'attractor run' registers its pipeline by itself. The same
    content makes no new version.
    """
    opened = opened_of(invocation)
    store = opened.pipelines
    file = file.absolute()
    pipeline = open_pipeline(str(file), project=context_of(RunScope.of(opened.project)))
    by, now = operator_name(invocation), opened.now()
    version, is_new = store.register(pipeline, file, by=by, now=now)
    words = f"{version}: {'registered' if is_new else 'unchanged'}"
    return show_result({**version.to_record(), "is_new": is_new}, words, as_json=as_json)


part = register
