"""Check a place in which runs can work."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import project_of
from attractor.engine.run_folder.layout import promises_to_record
from attractor.language.source.text import visible
from attractor.pipeline.workspace.place import check_place


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def places_check(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Check the place NAME: connect, look for programs that runs need there, and write a probe.

    Exit with 1 if no run can work there.
    """
    report = asyncio.run(check_place(name, project_of(invocation)))
    place = report.place
    lines = [
        f"{place.name} ({place.kind} {place.target}): {report.platform}, files in {report.folder}",
        *(f"  {program}: {path or 'missing'}" for program, path in report.programs),
        f"  free: {report.free_mb} MiB",
        f"  clock: {report.clock_seconds:+d} seconds",
        *(f"  fault: {one.message}; {one.fix}" for one in report.faults),
        *report.notices,
        "Runs with --place cannot work there."
        if report.faults
        else f"Runs can work there. {report.sentence}",
    ]
    record = {
        "name": place.name,
        "kind": place.kind,
        "host": place.host,
        "image": place.image,
        "root": place.root,
        "platform": report.platform,
        "programs": dict(report.programs),
        "free_mb": report.free_mb,
        "clock_seconds": report.clock_seconds,
        "faults": [{"message": one.message, "fix": one.fix} for one in report.faults],
        "notices": [*report.notices],
        "promises": promises_to_record(report.promises),
    }
    # Another machine chose the words.
    show_result(record, *map(visible, lines), as_json=as_json)
    return ExitCode.FAILED if report.faults else ExitCode.DONE


part = places_check
