"""Show the branch, suites and last runs of the project, what needs you, and the next command."""

from collections.abc import Iterator, Sequence

import click

from attractor.attention.overview import ProjectOverview, next_command, read_overview
from attractor.base.clock import SystemClock
from attractor.base.durations import format_age
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_result, table
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.status import describe_plain
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.pipeline.status import plain_status

_LONGEST = 48
_MOST_NEEDS = 3


@click.command()
@json_option
@click.pass_obj
def overview(invocation: Invocation, as_json: bool) -> ExitCode:
    """Show the branch, suites and last runs of the project, what needs you, and the next command.

    'attractor' alone, in a Git repository, does the same. If something cannot be read, the exit
    status is 3.
    """
    found = read_overview(opened_of(invocation))
    for trouble in found.troubles:
        show(visible(trouble), err=True)
    following = next_command(found)
    record = found.to_record() | {"next": following}
    show_result(record, *_lines(found), f"next: {visible(following)}", as_json=as_json)
    return ExitCode.UNFINISHED if found.troubles else ExitCode.DONE


def _lines(found: ProjectOverview) -> Iterator[str]:
    branch = f", branch {found.branch}" if found.branch else ""
    yield visible(f"project: {found.root}{branch}")
    drafts = f"; not registered: {', '.join(found.drafts)}" if found.drafts else ""
    yield visible(f"suites: {', '.join(found.suites) or 'none'}{drafts}")
    yield f"runs: {'' if found.runs else 'none'}".rstrip()
    now = SystemClock().now()
    yield from _indented(
        (
            visible(run.run_id),
            format_age(now - run.started),
            describe_plain(plain_status(run)),
            visible(shorten(run.subject, _LONGEST)),
        )
        for run in found.runs
    )
    nothing = "" if found.needs else "unknown" if found.troubles else "nothing"
    yield f"needs you: {nothing}".rstrip()
    shown, others = found.needs[:_MOST_NEEDS], len(found.needs) - _MOST_NEEDS
    yield from _indented(
        (visible(shorten(row.title, _LONGEST)), row.need, visible(row.command)) for row in shown
    )
    if others > 0:
        yield f"  {others} more: attractor attention"


def _indented(rows: Iterator[Sequence[str]]) -> list[str]:
    listed = [*rows]
    return [f"  {line}" for line in table(listed)] if listed else []


part = overview
