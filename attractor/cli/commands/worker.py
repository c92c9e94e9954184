"""Execute runs of the fleet on this machine."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import addresses_of


@click.command()
@click.option("--pool", default="", help="Execute runs of this pool (default: fleet.pool).")
@click.option(
    "--slots",
    type=click.IntRange(1, 1000),
    help="Execute at most this many runs at once (default: fleet.slots).",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Also execute runs that demand this label. May be repeated.",
)
@json_lines_option
@click.pass_obj
def worker(
    invocation: Invocation, pool: str, slots: int | None, labels: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Execute runs of the fleet on this machine, until Ctrl-C.

    A run comes with its files and leaves with them after each stage, so another worker can continue
    it at any moment. After the first signal, the worker takes nothing new, ends the stages in
    flight, gives its runs back and ends; after the second one it ends at once. Runs with one of its
    labels can work in the dimensions of the project in which it was started.
    """
    addresses = addresses_of(invocation)
    # Imported here, because only a worker needs a queue.
    from attractor.fleet.store.places import MachinePlace
    from attractor.fleet.workers.serving import ServingWorker, WorkerPlan

    settings = invocation.configuration.settings
    root = invocation.configuration.root
    plan = WorkerPlan(
        addresses=addresses,
        folder=settings.state_dir / "fleet",
        pool=pool or settings.fleet.pool,
        slots=slots or settings.fleet.slots,
        labels=labels or settings.fleet.labels,
        environ=invocation.environ,
        max_head_bytes=settings.fleet.max_head_bytes,
        home=MachinePlace(settings.runs_dir, settings.state_dir, root),
    )

    def tell(happened: str, **details: str) -> None:
        if as_json:
            show_json({"happened": happened, **details}, is_line=True)
        else:
            words = " ".join(f"{name}={value}" for name, value in details.items())
            show(f"{happened} {words}".strip(), err=True)

    return asyncio.run(ServingWorker(plan, tell).serve())


part = worker
