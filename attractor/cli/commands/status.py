"""Show the status of a run."""

import sys
import time
from dataclasses import replace

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import can_draw_live, printable, show, show_json, show_result
from attractor.cli.runs.listings import landed, proposed
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.stages import context_text, timeline_text
from attractor.cli.runs.status import as_text, in_words
from attractor.engine.state.run_state import StatusWord
from attractor.pipeline.status import read_status, status_changes
from attractor.records.context import read_context
from attractor.records.lookup import find_run
from attractor.records.timeline import read_timeline

OFTEN_S = 0.5
"""The pause in seconds between two checks."""


@click.command()
@run_argument(StatusWord.AWAITING_HUMAN, prefers_newest=True)
@click.option("--watch", is_flag=True, help="Show every change until the run ends.")
@click.option("--stages", is_flag=True, help="List the attempts at stages, and the waits.")
@click.option("--context", "in_context", is_flag=True, help="List the values of the context.")
@json_option
@click.pass_obj
def status(
    invocation: Invocation,
    reference: str,
    watch: bool,
    stages: bool,
    in_context: bool,
    as_json: bool,
) -> ExitCode:
    """Show the status of a run.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest' (default: the newest
    run that answers no message of an actor; if it waits for a decision and others do too, they are
    listed).
    The status is read from the journal. Exit with 6 if run.json contradicts the journal. With
    --watch, redraw the terminal after each change; without a terminal, print one line (with --json,
    one object) after each change. If the run restarts as a new run, --watch continues with the new
    run. With --stages, list each attempt with its start, time, result, model, cost and next node,
    and the waits for people. With --context, list the values that the stages share.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference, runs_dir)
    _require_one(watch, stages, in_context)
    if stages:
        timeline = read_timeline(root)
        records = [attempt.to_record() for attempt in timeline.attempts]
        record = {"stages": records, "timeline": timeline.to_record()}
        show_json(record) if as_json else show(timeline_text(timeline))
        return ExitCode.DONE
    if in_context:
        context = read_context(root)
        show_json(context.to_record()) if as_json else show(context_text(context))
        return ExitCode.DONE
    if watch:
        changes = status_changes(root, runs_dir, lambda: time.sleep(OFTEN_S))
        if not as_json and can_draw_live(invocation.environ, sys.stdout):
            from attractor.cli.runs.live.display import paint

            return paint(changes, invocation)
        code, now, printed = ExitCode.DONE, SystemClock().now, ""
        for view in changes:
            code = view.summary.trouble_code
            words = _line(view.to_record()) if as_json else in_words(view.summary)
            # New output of a stage changes the record, but not the words.
            if words != printed:
                printed = words
                time_of_day = "" if as_json else f"{now().astimezone():%H:%M:%S}  "
                # click.echo fails on a closed pipe; show would continue forever.
                click.echo(f"{time_of_day}{words if as_json else printable(words)}")
        return code
    status = read_status(root, runs_dir)
    [summary] = landed(invocation, [status.summary], {})
    status = replace(status, summary=summary)
    pull = proposed(invocation, summary)
    more = {"proposed": write_fields(pull)} if pull else {}
    text = as_text(status, SystemClock().now(), proposed=str(pull or ""))
    show_result(status.to_record() | more, text, as_json=as_json)
    return status.summary.trouble_code


def _require_one(*options: bool) -> None:
    if sum(options) > 1:
        raise UsageError(
            "--watch, --stages and --context exclude each other", hint="choose one of them"
        )


def _line(record: dict[str, Json]) -> str:
    import json

    return json.dumps(record)


part = status
