"""Print a pipeline of the gallery."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.shell_completion import complete_gallery
from attractor.pipeline.source.gallery import open_gallery_pipeline


@click.command()
@click.argument("name", shell_complete=complete_gallery)
@json_option
def gallery_show(name: str, as_json: bool) -> ExitCode:
    """Print a pipeline of the gallery.

    NAME is a name that 'attractor gallery list' prints, such as bug_fix.
    """
    pipeline = open_gallery_pipeline(name)
    if as_json:
        show_json({**pipeline.to_record(), "text": pipeline.text})
    else:
        show(pipeline.text.removesuffix("\n"), is_file=True)
    return ExitCode.DONE


part = gallery_show
