"""List the pipelines of the gallery."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show_result, table
from attractor.pipeline.source.gallery import GALLERY, gallery_word, open_gallery_pipeline


@click.command()
@json_option
def gallery_list(as_json: bool) -> ExitCode:
    """List the pipelines of the gallery.

    They are a part of the package, and run by name in any project: 'attractor run gallery:bug_fix
    --goal "..."'. Most commands that take a pipeline file take such a name, too.
    """
    pipelines = [open_gallery_pipeline(name) for name in GALLERY]
    rows = [(gallery_word(pipeline.name), pipeline.purpose) for pipeline in pipelines]
    return show_result(
        [pipeline.to_record() for pipeline in pipelines], *table(rows), as_json=as_json
    )


part = gallery_list
