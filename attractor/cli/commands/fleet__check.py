"""Compare the rows of the fleet with its queue, its heads and its blobs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import format_size, number_of
from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.fleet import in_fleet
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.project import list_project_folders
from attractor.fleet.check import CheckReport, check
from attractor.language.source.text import visible

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@click.command()
@click.option("--deep", "is_deep", is_flag=True, help="Read all blobs, and verify their hashes.")
@json_option
@click.pass_obj
def fleet_check(invocation: Invocation, is_deep: bool, as_json: bool) -> ExitCode:
    """Compare the rows of the fleet with its queue, its heads and its blobs.

    Print each difference with its run and its repair, and exit with 6 if there are any. The queue
    is compared twice, because workers repair most of it by themselves within seconds. Run
    directories of this state folder are compared with the rows too.
    """
    copies = _copies(invocation)

    async def compare(fleet: "Fleet") -> CheckReport:
        return await check(fleet, SystemClock(), copies=copies, deep=is_deep)

    report = in_fleet(invocation, compare)
    show_result(report.to_record(), *map(visible, _lines(report)), as_json=as_json)
    return ExitCode.BROKEN if report.differences else ExitCode.DONE


def _copies(invocation: Invocation) -> dict[str, Path]:
    """Return the files that say that a run is in the fleet, by run."""
    settings = invocation.configuration.settings
    folders = {folder.runs_dir for folder in list_project_folders(settings.state_dir)}
    files = {
        root.name: RunDirectory(root).elsewhere
        for folder in (*folders, settings.runs_dir)
        if folder.is_dir()
        for root in folder.iterdir()
    }
    return {
        run_id: file
        for run_id, file in files.items()
        if file.exists() and not _is_restart(RunDirectory(file.parent))
    }


def _is_restart(directory: RunDirectory) -> bool:
    """Return whether a run is in the fleet under the id of the run that it continues."""
    return directory.manifest.exists() and read_manifest(directory).restart > 0


def _lines(report: CheckReport) -> list[str]:
    compared = f"compared: {number_of(report.runs, 'run')}, {number_of(report.blobs, 'blob')}"
    size = "" if report.unreached_bytes is None else f", {format_size(report.unreached_bytes)}"
    lines = [compared, f"blobs that no head reaches: {report.unreached}{size}"]
    if not report.differences:
        return [*lines, "No problems found."]
    return lines + [
        f"run {difference.run_id}: {difference.words} ({difference.remedy})"
        for difference in report.differences
    ]


part = fleet_check
