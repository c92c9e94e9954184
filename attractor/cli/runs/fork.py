"""Forks a run and walks the new one, for `fork` and `rewind`."""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import orders_to
from attractor.cli.runs.setup import host_of, override_options
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.launch import evaluator_of, resume_run
from attractor.pipeline.fork.create import create_fork, plan_fork
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import Overrides
from attractor.pipeline.runs.lookup import find_run


class ForkOptions(TypedDict):
    """The arguments and options of both commands."""

    reference: str
    at: str
    graph: Path | None
    overrides: Overrides
    no_evaluate: bool
    run_dir: Path | None
    as_json: bool


_OPTIONS = (
    click.argument("reference", metavar="RUN"),
    click.argument("at", metavar="NODE[@VISIT]"),
    click.option(
        "--graph",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Continue with this changed pipeline.",
    ),
    override_options,
    click.option("--no-evaluate", is_flag=True, help="Skip the evaluation."),
    click.option(
        "--run-dir", type=click.Path(path_type=Path), help="Store the new run in this folder."
    ),
    json_option,
)


def fork_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the arguments and options of both commands."""
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
    host = host_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    work = _fork(invocation, host, root, new_root, options, rewind_reason)
    result = walk(work, watcher)
    manifest = read_manifest(RunDirectory(result.directory))
    linked = {"parent": manifest.parent, "forked_at": manifest.forked_at}
    return show_end(result, runs_dir, as_json=options["as_json"], more=linked)


async def _fork(
    invocation: Invocation,
    host: RunHost,
    root: Path,
    new_root: Path | None,
    options: ForkOptions,
    rewind_reason: str | None,
) -> RunResult:
    evaluator_of(host).require_own(root)
    overrides = options["overrides"]
    fork = await plan_fork(
        root,
        options["at"],
        host,
        overrides,
        graph=options["graph"],
        new_root=new_root,
        ends_other=rewind_reason is not None,
    )
    if fork.change:
        show(fork.change, err=True)
    if rewind_reason is not None:
        why = f"rewound to {fork.point}" + (f": {rewind_reason}" if rewind_reason else "")
        orders = orders_to(invocation, options["reference"])
        receipt = await orders.end_and_wait(why)
        if receipt and receipt.is_taken:
            show(f"run {receipt.run_id}: {receipt.words}", err=True)
    new_root = await create_fork(fork)
    return await resume_run(new_root, host, overrides, evaluate=not options["no_evaluate"])
