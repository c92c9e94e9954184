"""Creates and runs the new run of `fork` and `rewind`."""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import orders_to
from attractor.cli.runs.setup import budget_options, budgets_of, given_of, given_options, host_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.launch import evaluator_of, go_on
from attractor.interviewers.registry import INTERVIEWERS, placed_name
from attractor.pipeline.fork.create import ForkOptions, make_fork, plan_fork
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.runs.lookup import find_run
from attractor.pipeline.runs.orders import end_and_wait

_OPTIONS = (
    click.argument("reference", metavar="RUN"),
    click.argument("at", metavar="NODE[@VISIT]"),
    click.option(
        "--graph",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Continue with this changed pipeline.",
    ),
    click.option(
        "--interviewer",
        default="",
        help=f"Answer human gates from now on with: {INTERVIEWERS}.",
    ),
    budget_options,
    given_options,
    click.option("--no-evaluate", is_flag=True, help="Skip the evaluation."),
    click.option(
        "--run-dir", type=click.Path(path_type=Path), help="Store the new run in this folder."
    ),
    json_option,
)


@dataclass(frozen=True)
class CanceledRun:
    """The run that a rewind cancels, and the reason."""

    reference: str
    why: str


@dataclass(frozen=True, kw_only=True)
class ForkArguments:
    """Arguments and options of `fork` and `rewind`."""

    reference: str
    at: str
    graph: Path | None
    interviewer: str
    max_cost_usd: float | None
    max_tokens: int | None
    max_duration: str
    goal: str
    pairs: tuple[str, ...]
    no_evaluate: bool
    run_dir: Path | None
    as_json: bool

    def options(self, invocation: Invocation, *, ends_other: bool) -> ForkOptions:
        """Return the options of the new run."""
        return ForkOptions(
            root=find_run(self.reference, invocation.configuration.settings.runs_dir),
            at=self.at,
            graph=self.graph,
            interviewer=_interviewer(invocation, self.interviewer),
            budgets=budgets_of(self.max_cost_usd, self.max_tokens, self.max_duration),
            new_root=self.run_dir.absolute() if self.run_dir else None,
            ends_other=ends_other,
            given=given_of(invocation, self.goal, self.pairs),
        )


def fork_options(function: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the options of `fork` and `rewind`, passed as one value `arguments`."""

    @wraps(function)
    def command(**given: Any) -> ExitCode:
        arguments = ForkArguments(
            **{one.name: given.pop(one.name) for one in fields(ForkArguments)}
        )
        return function(arguments=arguments, **given)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run_fork(
    invocation: Invocation, arguments: ForkArguments, *, ending: CanceledRun | None = None
) -> ExitCode:
    """Create the new run, run it until it stops, and print the result."""
    runs_dir = invocation.configuration.settings.runs_dir
    options = arguments.options(invocation, ends_other=ending is not None)
    watcher = Watcher(invocation, options.new_root, as_json=arguments.as_json)
    host = host_of(invocation, watch=watcher, output=watcher.output, quiet=watcher.quiet)
    work = _work(invocation, options, host, evaluate=not arguments.no_evaluate, ending=ending)
    result = walk(work, watcher)
    manifest = read_manifest(RunDirectory(result.directory))
    linked = {"parent": manifest.parent, "forked_at": manifest.forked_at}
    return show_end(result, runs_dir, as_json=arguments.as_json, more=linked)


def _interviewer(invocation: Invocation, named: str) -> str:
    """Return the interviewer: the console at a terminal, otherwise that of the old run."""
    named = named or ("console" if invocation.has_terminal else "")
    return placed_name(named, invocation.folder)


async def _work(
    invocation: Invocation,
    options: ForkOptions,
    host: RunHost,
    *,
    evaluate: bool,
    ending: CanceledRun | None,
) -> RunResult:
    evaluator_of(host).require_own(options.root)
    fork = await plan_fork(options, host)
    if fork.change:
        show(fork.change, err=True)
    if ending:
        orders = orders_to(invocation, ending.reference)
        why = f"rewound to {fork.point}" + (f": {ending.why}" if ending.why else "")
        receipt = await end_and_wait(orders, host.clock, why=why)
        if receipt and receipt.is_taken:
            show(f"run {receipt.run_id}: {receipt.words}", err=True)
    root = await make_fork(fork, host)
    return await go_on(root, host, given=options.given, evaluate=evaluate)
