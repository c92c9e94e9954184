"""Merge the result of a run onto a branch that moved, and evaluate it."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.factory import Factory


@click.command()
@run_argument("")
@click.option("--onto", "branch", default="main", show_default=True, help="Merge onto this branch.")
@json_lines_option
@click.pass_obj
def rebase(invocation: Invocation, reference: str, branch: str, as_json: bool) -> ExitCode:
    """Merge the result of a run onto a branch that moved, and evaluate it.

    The merged files are evaluated in a new run, without an agent. The new run needs a decision of
    its own, and can then be promoted. Refused with exit status 4 if branch and run changed the same
    lines; the message names the files.
    """
    watcher = Watcher(invocation, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    work = Factory(opened).rebase(reference, by=operator_name(invocation), onto=branch)
    result = walk(work, watcher)
    parent = read_manifest(RunDirectory(result.directory)).parent
    return show_end(result, opened.project, as_json=as_json, more={"parent": parent})


part = rebase
