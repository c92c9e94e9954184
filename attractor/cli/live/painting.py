"""Paints where a run stands on a terminal, and paints it anew when that changes."""

import sys
from collections.abc import Iterable

from rich.live import Live
from rich.text import Text

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.live.display import console_for
from attractor.cli.standing import Standing, as_text
from attractor.language.source.text import visible


def paint(standings: Iterable[Standing], invocation: Invocation) -> ExitCode:
    """Paint each one over the one before; the last one stays."""
    console = console_for(sys.stdout, invocation)
    code = ExitCode.DONE
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        # Whoever kills us leaves a terminal with a cursor.
        console.show_cursor(True)
        for one in standings:
            code = one.summary.trouble_code
            live.update(painted(one), refresh=True)
    return code


def painted(standing: Standing) -> Text:
    """Return where a run stands, of which no terminal obeys anything."""
    lines = (visible(line) for line in as_text(standing).split("\n"))
    return Text("\n".join(lines), overflow="crop", no_wrap=True)
