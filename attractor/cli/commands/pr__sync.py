"""Read back what checks and people did with pull requests."""

import asyncio
from collections.abc import Iterator

import click

from attractor.base.errors import AttractorError, ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.main import describe_failure
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.engine.truncation import one_line
from attractor.factory.history.entries import UNJUDGED
from attractor.factory.pulls.readings import PullReadings, after_conflict
from attractor.factory.pulls.rounds import MERGED, list_rounds
from attractor.factory.pulls.sync import SyncedPull, sync_pull
from attractor.language.source.text import visible

_LONGEST = 200


@click.command()
@run_argument(default="")
@json_option
@click.pass_obj
def pr_sync(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Read back what checks and people did with the pull request of RUN.

    Without RUN: with all open pull requests of the project, and those that were closed in the last
    week, because a person may open them again. A merge, also by squash, is recorded
    as a promotion if it brought the approved changes and no others. Failed checks, with the end of
    their logs, and remarks of people with write access become the feedback for the next round:
    'attractor pr next RUN'. Remarks of other people are ignored.
    """
    opened, by = opened_of(invocation), operator_name(invocation)
    closed = [reading.run_id for reading in PullReadings.of(opened).all() if reading.is_closed]
    listed = [(pull.round.run_id, pull.ending) for pull in list_rounds(opened)]
    open_ones = [run for run, ending in listed if not ending or run in closed]
    records: list[object] = []
    code = ExitCode.DONE
    for name in [reference] if reference else open_ones:
        try:
            synced = asyncio.run(sync_pull(opened.find(name), opened, by=by))
        except AttractorError as fault:
            if reference:
                raise
            # The other pull requests are read nevertheless.
            code = fault.exit_code
            records.append({"run_id": name, **describe_failure(fault).record()})
            show(visible(f"{name}: {fault.in_one_line}"), err=True)
            continue
        records.append(write_fields(synced))
        if not as_json:
            show("\n".join(visible(line) for line in _lines(synced)))
    if as_json:
        show_json(records)
    elif not reference and not open_ones:
        show("There are no open pull requests.")
    return code


def _lines(synced: SyncedPull) -> Iterator[str]:
    feedback = synced.feedback
    if synced.ending or feedback is None:
        words = f"promoted as {synced.commit[:12]}" if synced.ending == MERGED else synced.ending
        unjudged = f"; {UNJUDGED}" if synced.is_unjudged else ""
        yield f"{synced.url}: {words if synced.commit else synced.ending}{unjudged}"
        return
    yield f"{synced.url}: open"
    yield from (f"  failed: {check.name}" for check in feedback.checks)
    yield from (f"  waits for: {name}" for name in synced.pending)
    for remark in feedback.remarks:
        place = f" {remark.place}" if remark.place else ""
        yield f"  {remark.author}{place}: {one_line(remark.text, _LONGEST)}"
    for login in feedback.ignored:
        yield f"  ignored: remarks of {login or 'a deleted account'}, without write access"
    if synced.moved_to:
        yield f"  another person pushed {synced.moved_to[:12]}: its merge is no promotion"
    if synced.retargeted_to:
        yield f"  its target was changed to {synced.retargeted_to}: its merge is no promotion"
    if synced.has_conflict:
        yield f"  conflict with the target: {after_conflict(synced.reference)}"
    yield from _next(synced)


def _next(synced: SyncedPull) -> Iterator[str]:
    """Yield the command of the next round, or why no round can follow."""
    if synced.next_run:
        yield f"  next round: attractor status {synced.next_run}"
    elif synced.next_round:
        yield f"  next: attractor pr next {synced.reference}   (round {synced.next_round})"
    elif synced.feedback and not synced.moved_to:
        yield "  no round is left: continue by hand, or raise pull_request.max_rounds"


part = pr_sync
