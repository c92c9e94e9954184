"""List the dimensions of the project."""

import asyncio

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.setup import opened_of
from attractor.language.source.text import visible
from attractor.worlds.dimensions import DimensionView, list_dimensions


@click.command()
@json_option
@click.pass_obj
def dimension_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the dimensions of the project: changes, branch, holder, last run, folder.

    missing: the folder is gone. Attractor does not restore it. Files that two dimensions changed
    are an overlap; --json names them, and those whose lines would conflict.
    """
    views = asyncio.run(list_dimensions(opened_of(invocation)))
    if as_json:
        show_json([_record(view) for view in views])
    elif not views:
        show("There are no dimensions. Make one: attractor dimension add NAME")
    else:
        heads = ("name", "kind", "changes", "branch", "held by", "last run", "folder")
        show("\n".join(table([heads, *map(_row, views)])))
        for view in views:
            for overlap in view.overlaps:
                # Each pair of dimensions once.
                if view.dimension.name < overlap.other:
                    show(f"overlap of {view.dimension.name} with {visible(str(overlap))}")
    return ExitCode.DONE


def _row(view: DimensionView) -> tuple[str, ...]:
    dimension = view.dimension
    changes = "" if view.changed is None else number_of(view.changed, "file")
    return (
        dimension.name,
        dimension.kind,
        "missing" if view.is_missing else visible(view.trouble or changes),
        view.branch,
        view.holder.purpose if view.holder else "",
        view.last_run,
        visible(dimension.folder),
    )


def _record(view: DimensionView) -> dict[str, Json]:
    return {
        **view.dimension.to_json(),
        "branch": view.branch,
        "missing": view.is_missing,
        "changed": view.changed,
        "trouble": view.trouble,
        "holder": str(view.holder) if view.holder else "",
        "last_run": view.last_run,
        "overlaps": [write_fields(overlap) for overlap in view.overlaps],
    }


part = dimension_list
