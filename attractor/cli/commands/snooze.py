"""Leave a row of 'attractor attention' out for a time."""

import click

from attractor.base.clock import SystemClock
from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.worlds.attention import find_rows, read_attention, snooze as leave_out


@click.command()
@click.argument("name", metavar="NAME")
@click.argument("duration", default="1h")
@json_option
@click.pass_obj
def snooze(invocation: Invocation, name: str, duration: str, as_json: bool) -> ExitCode:
    """Leave what NAME needs out of 'attractor attention' for a DURATION (default: 1h).

    NAME is a name in the list, its unique beginning, or PROJECT/NAME. What it needs next is shown
    again at once.
    """
    state, now = invocation.configuration.settings.state_dir, SystemClock().now()
    until = now + parse_duration(duration)
    rows = read_attention(state, now, invocation.environ).rows
    found = find_rows(name, rows)
    for row in found:
        leave_out(state, row, until, now)
    if as_json:
        show_json([{**row.to_record(), "snoozed_until": until.isoformat()} for row in found])
    else:
        names = ", ".join(row.name for row in found)
        show(f"{names}: snoozed until {until.astimezone():%Y-%m-%d %H:%M}")
    return ExitCode.DONE


part = snooze
