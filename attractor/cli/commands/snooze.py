"""Leave a row of 'attractor attention' out for a time."""

from collections.abc import Callable, Sequence
from datetime import datetime

import click

from attractor.attention.reading import find_rows, read_attention
from attractor.attention.rows import AttentionRow
from attractor.attention.snoozing import read_snoozed, snooze as leave_out, wake as show_again
from attractor.base.clock import SystemClock
from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.language.source.text import visible


@click.command()
@click.argument("name", metavar="NAME", default="")
@click.argument("duration", default="1h")
@click.option("--list", "lists", is_flag=True, help="List what is snoozed.")
@click.option("--wake", is_flag=True, help="Show again what was snoozed as NAME (default: all).")
@json_option
@click.pass_obj
def snooze(
    invocation: Invocation, name: str, duration: str, lists: bool, wake: bool, as_json: bool
) -> ExitCode:
    """Leave what NAME needs out of 'attractor attention' for a DURATION (default: 1h).

    NAME is a name in the list, its unique beginning, or PROJECT/NAME. What it needs next is shown
    again at once.
    """
    state, now = invocation.configuration.settings.state_dir, SystemClock().now()
    found = read_attention(state, now, invocation.environ)
    if lists or wake:
        rows = find_rows(name, found.asleep) if name else found.asleep
        times = read_snoozed(state, now)

        def until_of(row: AttentionRow) -> datetime:
            # Another command may have woken it meanwhile.
            known = [times[one.id] for one in row.rows or [row] if one.id in times]
            return max(map(datetime.fromisoformat, known), default=now)

        if wake:
            show_again(state, rows, now)
        _show(rows, until_of, wakes=wake, as_json=as_json)
        return ExitCode.DONE
    if not name:
        raise UsageError("name what to snooze", hint="attractor attention lists the names")
    until = now + parse_duration(duration)
    rows = find_rows(name, found.rows)
    for row in rows:
        leave_out(state, row, until, now)
    _show(rows, lambda row: until, wakes=False, as_json=as_json)
    return ExitCode.DONE


def _show(
    rows: Sequence[AttentionRow],
    until_of: Callable[[AttentionRow], datetime],
    *,
    wakes: bool,
    as_json: bool,
) -> None:
    if as_json:
        show_json([{**row.to_record(), "snoozed_until": until_of(row).isoformat()} for row in rows])
        return
    for row in rows:
        until = f"{until_of(row).astimezone():%Y-%m-%d %H:%M}"
        show(visible(f"{row.title}: {'shown again' if wakes else f'snoozed until {until}'}"))
    if not rows:
        show("Nothing is snoozed.")


part = snooze
