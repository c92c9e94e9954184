"""Write remarks on lines of a dimension, and send them to its actor as one message."""

import os
import re
from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, UsageError
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.actors import find, sender_of
from attractor.cli.runs.setup import opened_of
from attractor.engine.truncation import shorten
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.project import list_project_folders
from attractor.language.source.text import visible
from attractor.worlds.actors import ActorFolder
from attractor.worlds.orders import actor_in, dimension_of
from attractor.worlds.remarks import Remark, Remarks

_LONGEST = 60
_PLACE = re.compile(r"(.+):([0-9]{1,9})", re.DOTALL)


@click.command()
@click.argument("place", metavar="[FILE:LINE]", default="")
@click.argument("words", nargs=-1, metavar="[TEXT]")
@click.option("--in", "where", default="", metavar="DIMENSION", help="Name the dimension.")
@click.option("--actor", "name", default="", help="Name the actor, and with it its dimension.")
@click.option("--send", "sends", is_flag=True, help="Send all remarks as one message.")
@click.option("--remove", "removed", default="", metavar="ID", help="Remove a remark.")
@json_option
@click.pass_obj
def comment(
    invocation: Invocation,
    place: str,
    words: tuple[str, ...],
    where: str,
    name: str,
    sends: bool,
    removed: str,
    as_json: bool,
) -> ExitCode:
    """Write a remark on a line of a dimension; without FILE:LINE, list the remarks.

    The dimension is the one that contains the current folder, or is named: then FILE is a path in
    its folder. Remarks wait until --send: the actor that works there gets all of them as one
    message. A remark is marked as stale if its line was changed or removed since.
    """
    if (place != "") + sends + (removed != "") > 1:
        raise UsageError("FILE:LINE, --send and --remove exclude each other", hint="name one")
    found = _find(invocation, where, name)
    if sends:
        _send(invocation, found, as_json=as_json)
    elif removed or place:
        one = found.remarks.remove(removed) if removed else _write(invocation, found, place, words)
        text = f"remark {one.id} on {visible(one.file)}:{one.line}{' removed' if removed else ''}"
        show_result(write_fields(one, is_stale="stale"), text, as_json=as_json)
    else:
        _show_all(found.remarks, as_json=as_json)
    return ExitCode.DONE


@dataclass(frozen=True)
class _Found:
    """A dimension with the actor that was named, and the folder of relative paths."""

    opened: OpenProject
    dimension: Dimension
    folder: Path
    actor: ActorFolder | None = None

    @property
    def remarks(self) -> Remarks:
        return Remarks(self.opened, self.dimension)


def _find(invocation: Invocation, where: str, name: str) -> _Found:
    if name:
        actor, opened = find(invocation, name)
        dimension = dimension_of(actor, opened)
        if where and DimensionRecords.of(opened).find(where) != dimension:
            raise UsageError(
                f"the actor {actor.name} works in {dimension.name}", hint="remove --in"
            )
        return _Found(opened, dimension, Path(dimension.folder), actor)
    if where:
        opened = opened_of(invocation)
        dimension = DimensionRecords.of(opened).find(where)
        return _Found(opened, dimension, Path(dimension.folder))
    here, state = invocation.folder, invocation.configuration.settings.state_dir
    for project in list_project_folders(state):
        for dimension in DimensionRecords.in_state(state, project.project_id).all():
            if dimension.folder and here.resolve().is_relative_to(Path(dimension.folder).resolve()):
                environ = {**invocation.environ, "ATTRACTOR_STATE_DIR": str(state)}
                return _Found(open_project(project.root, environ), dimension, here)
    raise UsageError(
        f"{here} is in no dimension",
        hint="name one: --in DIMENSION, from 'attractor dimension list'; or --actor NAME",
    )


def _write(invocation: Invocation, found: _Found, place: str, words: tuple[str, ...]) -> Remark:
    if not (parsed := _PLACE.fullmatch(place)):
        raise UsageError(f"invalid place {place!r}", hint="write FILE:LINE, such as main.py:12")
    file = os.path.normpath(found.folder / parsed[1])
    return found.remarks.add(file, int(parsed[2]), " ".join(words), sender_of(invocation))


def _send(invocation: Invocation, found: _Found, *, as_json: bool) -> None:
    number = len(found.remarks.read())
    actor = found.actor or actor_in(found.dimension, found.opened)
    message = found.remarks.send(actor, sender_of(invocation))
    record = {**write_fields(message), "status": "taken", "actor": actor.name}
    words = f"taken: {number_of(number, 'remark')} to {actor.name}, message {message.id}"
    show_result(record, words, as_json=as_json)


def _show_all(remarks: Remarks, *, as_json: bool) -> None:
    found = remarks.read()
    rows = [("id", "place", "", "remark"), *map(_row, found)]
    words = "\n".join(table(rows)) if found else "There are no remarks."
    show_result([write_fields(one, is_stale="stale") for one in found], words, as_json=as_json)


def _row(one: Remark) -> tuple[str, str, str, str]:
    stale = "stale" if one.is_stale else ""
    return one.id, visible(f"{one.file}:{one.line}"), stale, visible(shorten(one.text, _LONGEST))


part = comment
