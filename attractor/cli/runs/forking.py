"""Starts a new run from an earlier visit, for the commands `fork` and `rewind`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import orders_to
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import change_options, opened_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.cli.shell_completion import complete_models
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.operations.fork import fork_run
from attractor.pipeline.plan.fork_point import ForkPoint
from attractor.records.lookup import find_run
from attractor.records.request import Overrides


class ForkOptions(TypedDict):
    """The arguments and options of the commands `fork` and `rewind`."""

    reference: str
    at: str
    graph: Path | None
    model: str
    overrides: Overrides
    run_dir: Path | None
    as_json: bool


_OPTIONS = (
    run_argument(),
    click.argument("at", metavar="NODE[@VISIT]"),
    click.option(
        "--graph",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Continue with this changed pipeline.",
    ),
    click.option(
        "--model",
        default="",
        shell_complete=complete_models,
        help="Use this model for nodes without one (default: as before).",
    ),
    change_options,
    click.option(
        "--run-dir", type=click.Path(path_type=Path), help="Store the new run in this folder."
    ),
    json_lines_option,
)


def fork_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the arguments and options of the commands `fork` and `rewind`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fork_and_walk(
    invocation: Invocation, *, rewind_reason: str | None = None, **options: Unpack[ForkOptions]
) -> ExitCode:
    """Create the new run and walk it; with a `rewind_reason`, end the old run first."""
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(options["reference"], runs_dir)
    new_root = options["run_dir"].absolute() if options["run_dir"] else None
    watcher = Watcher(invocation, new_root, as_json=options["as_json"])
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)

    async def end_other(point: ForkPoint) -> None:
        why = f"rewound to {point}" + (f": {rewind_reason}" if rewind_reason else "")
        receipt = await orders_to(invocation, options["reference"]).end_and_wait(why)
        if receipt and receipt.is_taken:
            show(f"run {receipt.run_id}: {receipt.words}", err=True)

    work = fork_run(
        root,
        options["at"],
        opened,
        replace(options["overrides"], model=options["model"]),
        graph=options["graph"],
        new_root=new_root,
        end_other=None if rewind_reason is None else end_other,
    )
    result = walk(work, watcher)
    manifest = read_manifest(RunDirectory(result.directory))
    linked = {"parent": manifest.parent, "forked_at": manifest.forked_at}
    return show_end(result, opened.project, as_json=options["as_json"], more=linked)
