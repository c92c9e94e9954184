"""Begin the next round of a pull request."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.factory.operations.start import start_run
from attractor.factory.pulls.next_round import next_round


@click.command()
@run_argument()
@json_lines_option
@click.pass_obj
def pr_next(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Begin the next round of the pull request of RUN: a new run of the same request.

    It begins with the files of RUN. Its context has the failed checks and the remarks that
    'attractor pr sync' read last. What is left of the budget of RUN limits it, and
    pull_request.max_rounds the number of rounds. Its result needs its own evaluation and decision;
    then 'attractor promote NEW --to pr' updates the pull request.
    """
    watcher = Watcher(invocation, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    root = opened.find(reference)
    with next_round(root, opened) as request:
        result = walk(start_run(request, opened, feedback=root), watcher)
    return show_end(result, opened.project, as_json=as_json)


part = pr_next
