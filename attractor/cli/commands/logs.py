"""Show what happened in a run."""

from collections.abc import Iterator
from pathlib import Path

import click

from attractor.base.canonical import parse_json
from attractor.base.errors import ExitCode
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show
from attractor.cli.progress import describe_event
from attractor.engine.run_directory import RunDirectory
from attractor.pipeline.runs import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def logs(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Show what happened in a run.

    RUN is an id, the beginning of one, a run directory, or 'latest', which it is unless said. With
    --json every event is printed as it stands in the journal, a line each.
    """
    root = find_run(reference, invocation.configuration.settings.runs_dir)
    journal = RunDirectory(root).events
    for line in _json_lines(journal) if as_json else _lines(journal):
        show(line)
    return ExitCode.DONE


def _json_lines(journal: Path) -> Iterator[str]:
    for line in read_lines(journal):
        yield line.content.decode("utf-8")


def _lines(journal: Path) -> Iterator[str]:
    for line in read_lines(journal):
        record = parse_json(line.content)
        words = describe_event(Event.from_record(record)) if isinstance(record, dict) else ""
        if words:
            yield words


part = logs
