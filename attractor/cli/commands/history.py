"""List decisions, waivers, amendments, promotions and roll-backs."""

from datetime import datetime

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.listings import read_since, show_indexing
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_runs
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.factory import Factory
from attractor.factory.history.index import LineQuery, RunIndex
from attractor.factory.open_project import OpenProject
from attractor.language.source.text import visible
from attractor.records.lookup import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="", shell_complete=complete_runs)
@click.option("--pipeline", default="", metavar="NAME", help="List runs of this pipeline only.")
@click.option(
    "--since",
    default="",
    metavar="TIME",
    help="List records since this time, such as 2026-01-31, or 2d for the last two days.",
)
@click.option("--all", "in_full", is_flag=True, help="List all lines of the ledger instead.")
@json_option
@click.pass_obj
def history(
    invocation: Invocation, reference: str, pipeline: str, since: str, in_full: bool, as_json: bool
) -> ExitCode:
    """List decisions, waivers, amendments, promotions and roll-backs.

    The entries of the project, or of RUN, are read from the ledger, oldest first. Exit with 6
    if a line of the ledger is corrupt. With --all, also list starts, evaluations, ends, tokens and
    versions of the project, as the index has them.
    """
    opened = opened_of(invocation)
    if in_full:
        return _list_ledger(opened, reference, pipeline, since, as_json=as_json)
    entries = Factory(opened).history(
        run=reference, pipeline=pipeline, since=read_since(since) if since else None
    )
    if as_json:
        show_json([entry.to_record() for entry in entries])
        return ExitCode.DONE
    for entry in entries:
        time = entry.time.astimezone().isoformat(sep=" ", timespec="minutes")
        kind = entry.kind.replace("_", " ")
        show(
            visible(
                f"{time}  {entry.run_id}  {entry.pipeline}  {kind} by {entry.by}  {entry.words}"
            )
        )
    if not entries:
        show("There are no decisions. See the runs that wait for one: attractor runs")
    return ExitCode.DONE


def _list_ledger(
    opened: OpenProject, reference: str, pipeline: str, since: str, *, as_json: bool
) -> ExitCode:
    """List all lines of the ledger about the project or a run, oldest first."""
    if pipeline:
        raise UsageError("--all and --pipeline exclude each other", hint="remove one of them")
    project = opened.project
    root = find_run(reference, project.runs_dir) if reference else None
    run_id = read_manifest(RunDirectory(root)).run_id if root else ""
    query = LineQuery(opened.identity.project_id(), run_id)
    began = read_since(since) if since else None
    found = [
        line
        for line in reversed(
            RunIndex(project.machine.state_dir, on_progress=show_indexing).lines(
                project.runs_dir, query
            )
        )
        if began is None or datetime.fromisoformat(line.time) >= began
    ]
    if as_json:
        show_json([write_fields(one) for one in found])
    for one in () if as_json else found:
        time = datetime.fromisoformat(one.time).astimezone().isoformat(sep=" ", timespec="minutes")
        names = ("name", "version", "verdict", "by")
        subject = [str(one.data[name]) for name in names if name in one.data]
        words = (time, str(one.seq), one.kind.replace("_", " "), one.run_id, *subject)
        show(visible("  ".join(filter(None, words))))
    return ExitCode.DONE


part = history
