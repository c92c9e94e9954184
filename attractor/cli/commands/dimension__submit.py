"""Have the files of a dimension judged by a suite."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.runs.actors import sender_of
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.factory.dimensions import DimensionRecords
from attractor.worlds.submit import submit_dimension


@click.command()
@click.argument("name")
@click.option(
    "--suite", default="", metavar="NAME[@VERSION]", help="Judge the files by this suite."
)
@click.option("--profile", default="", metavar="NAME", help="Judge them by this profile.")
@click.option(
    "--base",
    default="",
    metavar="REF",
    help="Promote the changes since this commit (default: since the dimension left its branch).",
)
@click.option("--goal", default="", help="Name the work (default: the last task in the dimension).")
@click.option("--sandbox", default="auto", show_default=True, help="Run trials in this sandbox.")
@json_lines_option
@click.pass_obj
def dimension_submit(
    invocation: Invocation,
    name: str,
    suite: str,
    profile: str,
    base: str,
    goal: str,
    sandbox: str,
    as_json: bool,
) -> ExitCode:
    """Have the current files of the dimension NAME judged by a suite.

    This starts a run that only evaluates: committed and uncommitted files, without hidden
    scenarios, against the hidden scenarios of the suite. The gate counts the weakest sandbox of all
    runs in the dimension, and searches their transcripts. Then decide and promote it as any run:
    there is no other way from a dimension to a branch that a gate guards.
    """
    watcher = Watcher(invocation, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    dimension = DimensionRecords.of(opened).find(name)
    by = sender_of(invocation)
    work = submit_dimension(
        dimension, opened, by, suite=suite, profile=profile, base=base, goal=goal, sandbox=sandbox
    )
    return show_end(walk(work, watcher), opened.project, as_json=as_json)


part = dimension_submit
