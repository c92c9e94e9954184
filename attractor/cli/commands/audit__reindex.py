"""Build the index of runs again."""

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.listings import show_indexing
from attractor.factory.history.index import RunIndex


@click.command()
@json_option
@click.pass_obj
def reindex(invocation: Invocation, as_json: bool) -> ExitCode:
    """Build the index of runs again.

    The index is built from the run directories of the project and from the ledger. Runs of other
    projects are added when these projects list their runs.
    """
    settings = invocation.configuration.settings
    index = RunIndex(settings.state_dir, on_progress=show_indexing)
    runs, lines = index.rebuild(settings.runs_dir)
    words = f"{index.file}: {number_of(runs, 'run')}, {number_of(lines, 'line')} of the ledger"
    return show_result({"runs": runs, "ledger_lines": lines}, words, as_json=as_json)


part = reindex
