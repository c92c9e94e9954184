"""Take in the desires that people put into a folder."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of
from attractor.language.source.text import visible

if TYPE_CHECKING:
    from attractor.growth.api.intake import IntakeEvent


@click.command("watch")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--plan", "plans", is_flag=True, help="Let a model plan for each file.")
@click.option("--once", is_flag=True, help="Take in the files that are there, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each file.")
@click.pass_obj
def watch_folder(
    invocation: Invocation, folder: Path, plans: bool, once: bool, as_json: bool
) -> ExitCode:
    """Take in the desires that people put into a folder, until Ctrl-C.

    A file that ends with .txt, .md, .json, .yaml or .yml is read as 'attractor spec normalize
    --base HEAD FILE' reads it, once it did not change for a second. It moves to FOLDER/done or
    FOLDER/refused, with a note NAME.why.txt beside it: what it became, or what is wrong with it and
    what to do. Links, names with unusual characters, files that are not UTF-8 or larger than 64 kB
    are refused. The same content is taken in once, also after a kill. While the model cannot be
    reached, a file waits. Other files, and those that begin with a dot, stay where they are. With
    --once, exit with 3 if a file has to wait.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.intake import PAUSE_S, DesireFolder

    inbox = DesireFolder(control_plane_of(invocation), folder, plans=plans)
    with inbox.lock.acquire(purpose="attractor grow watch"):
        # The first look only notes sizes and times.
        _tell(inbox.take(), as_json=as_json)
        while True:
            time.sleep(PAUSE_S)
            _tell(inbox.take(), as_json=as_json)
            if once:
                for name in inbox.waiting:
                    show(visible(f"{name} has to wait, or is empty"), err=True)
                return ExitCode.UNFINISHED if inbox.waiting else ExitCode.DONE


def _tell(events: "Iterator[IntakeEvent]", *, as_json: bool) -> None:
    for event in events:
        if as_json:
            show_json(event.to_dict(), is_line=True)
            continue
        is_waiting = event.state == "waiting"
        ids = " ".join(one for one in (event.spec_graph_id, event.plan_id) if one)
        problem = f" ({event.problem})" if event.problem else ""
        show(visible(f"{event.file}: {event.state} {ids}".rstrip() + problem), err=is_waiting)
        if event.next:
            show(visible(f"  next: {event.next}"), err=is_waiting)


part = watch_folder
