"""Show what happened in a run."""

import click

from attractor.base.canonical import parse_json
from attractor.base.chains import require_intact, verify
from attractor.base.errors import Broken, ExitCode, NotCanonical
from attractor.base.events import Event
from attractor.base.journal import read_lines, read_torn
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show
from attractor.cli.progress import describe_event
from attractor.engine.fence import is_held
from attractor.engine.run_directory import RunDirectory
from attractor.pipeline.runs import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def logs(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Show what happened in a run.

    RUN is an id, the beginning of one, a run directory, or 'latest', which it is unless said. With
    --json every event is printed as it stands in the journal, a line each. Ends with 6 when a line
    does not verify, and names the first one.
    """
    root = find_run(reference, invocation.configuration.settings.runs_dir)
    directory = RunDirectory(root)
    verdict = verify(line.content for line in read_lines(directory.events))
    for number, line in enumerate(read_lines(directory.events), 1):
        if verdict.flaw and number == verdict.flaw.line and not as_json:
            show(f"-- line {number} {verdict.flaw.reason}: nothing from here on can be trusted")
        if as_json:
            show(line.content.decode("utf-8", "replace"))
        else:
            _show_words(line.content)
    _tell_torn(directory)
    require_intact(verdict, str(directory.events))
    return ExitCode.DONE


def _show_words(content: bytes) -> None:
    """Show the line of an event, if it has one; what is no event is told with the verdict."""
    try:
        record = parse_json(content)
        words = describe_event(Event.from_record(record)) if isinstance(record, dict) else ""
    except (Broken, NotCanonical):
        return
    if words:
        show(words)


def _tell_torn(directory: RunDirectory) -> None:
    """Tell of a line that a writer died in; one that is just being written is none."""
    torn = None if is_held(directory.lock) else read_torn(directory.events)
    if torn:
        length = len(torn.content)
        words = "its writer died, and whoever goes on with the run drops it"
        show(f"The journal's last line is torn ({length} bytes): {words}.", err=True)


part = logs
