"""Wait until actors do not work any more."""

import time
from collections.abc import Sequence

import click

from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.actors import POLL_S, code_of, describe_status, find
from attractor.worlds.records import actor_record
from attractor.worlds.status import ActorStatus, ActorView, read_actor


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="ACTOR...")
@click.option("--any", "is_any", is_flag=True, help="Wait until one of them is ready.")
@click.option(
    "--until",
    type=click.Choice([one.value for one in ActorStatus]),
    help="Wait for this status (default: until it does not work).",
)
@click.option("--timeout", default="", metavar="DURATION", help="Give up after this time.")
@json_option
@click.pass_obj
def actor_wait(
    invocation: Invocation,
    names: tuple[str, ...],
    is_any: bool,
    until: str | None,
    timeout: str,
    as_json: bool,
) -> ExitCode:
    """Wait until actors do not work any more, for scripts.

    Exit with 0 if their last tasks succeeded, with 1 if one failed, and with 3 if one asks, was
    interrupted, or the time is up.
    """
    folders = [find(invocation, name)[0] for name in names]
    end = time.monotonic() + parse_duration(timeout).total_seconds() if timeout else None
    while True:
        views = [read_actor(folder) for folder in folders]
        ready = [view for view in views if _is_ready(view, until)]
        if len(ready) == len(views) or (is_any and ready):
            return _show(ready, until, as_json=as_json)
        if end is not None and time.monotonic() > end:
            _show(views, until, as_json=as_json)
            return ExitCode.UNFINISHED
        time.sleep(POLL_S)


def _is_ready(view: ActorView, until: str | None) -> bool:
    if until:
        return view.status == until
    return view.status is not ActorStatus.WORKING and not view.can_begin


def _show(views: Sequence[ActorView], until: str | None, *, as_json: bool) -> ExitCode:
    if as_json:
        show_json([actor_record(view) for view in views])
    else:
        for view in views:
            show(f"{view.name}: {describe_status(view)}")
    return ExitCode.DONE if until else max(code_of(view.status) for view in views)


part = actor_wait
