"""Forks a run and walks the new one on, for `fork` and `rewind`."""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode
from attractor.cli.budget_options import budget_options, budgets_of
from attractor.cli.given_options import given_of, given_options
from attractor.cli.invocation import Invocation
from attractor.cli.json_lines import show_end
from attractor.cli.options import json_option
from attractor.cli.orders import orders_to
from attractor.cli.output import show
from attractor.cli.walking import Watcher, walk
from attractor.cli.worlds import world_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.state.run_state import RunResult
from attractor.factory.launch import evaluator_of, go_on
from attractor.interviewers.registry import INTERVIEWERS, placed_name
from attractor.pipeline.fork.create import ForkOptions, end_other, make_fork, plan_fork
from attractor.pipeline.host import RunHost
from attractor.pipeline.run_lookup import find_run

_OPTIONS = (
    click.argument("reference", metavar="RUN"),
    click.argument("at", metavar="NODE[@VISIT]"),
    click.option(
        "--graph",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Go on with this pipeline, which may differ from the one the run began with.",
    ),
    click.option(
        "--interviewer",
        default="",
        help=f"Who answers human gates from here on: {INTERVIEWERS}.",
    ),
    budget_options,
    given_options,
    click.option("--no-evaluate", is_flag=True, help="Stop before the evaluation."),
    click.option("--run-dir", type=click.Path(path_type=Path), help="Where to keep the new run."),
    json_option,
)


@dataclass(frozen=True)
class Ending:
    """That the run which is gone back in ends for good, and why."""

    reference: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed for `fork` or `rewind`: each field is an argument or an option of both."""

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

    def wish(self, invocation: Invocation, *, ends_other: bool) -> ForkOptions:
        """Return which run is to be made of which."""
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
    """Add what both commands are given; the function gets it as one value, `asked`."""

    @wraps(function)
    def command(**given: Any) -> ExitCode:
        asked = Asked(**{one.name: given.pop(one.name) for one in fields(Asked)})
        return function(asked=asked, **given)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fork_and_walk(
    invocation: Invocation, asked: Asked, *, ending: Ending | None = None
) -> ExitCode:
    """Make the new run and walk it until it rests; show what came of it."""
    runs_dir = invocation.configuration.settings.runs_dir
    wish = asked.wish(invocation, ends_other=ending is not None)
    watcher = Watcher(invocation, wish.new_root, as_json=asked.as_json)
    world = world_of(invocation, watch=watcher, output=watcher.output, quiet=watcher.quiet)
    work = _work(invocation, wish, world, evaluate=not asked.no_evaluate, ending=ending)
    result = walk(work, watcher)
    manifest = read_manifest(RunDirectory(result.directory))
    linked = {"parent": manifest.parent, "forked_at": manifest.forked_at}
    return show_end(result, runs_dir, as_json=asked.as_json, more=linked)


def _interviewer(invocation: Invocation, named: str) -> str:
    """Return who answers from here on: at a terminal the person there, else as in the old run."""
    named = named or ("console" if invocation.has_terminal else "")
    return placed_name(named, invocation.folder)


async def _work(
    invocation: Invocation,
    wish: ForkOptions,
    world: RunHost,
    *,
    evaluate: bool,
    ending: Ending | None,
) -> RunResult:
    evaluator_of(world).require_own(wish.root)
    fork = await plan_fork(wish, world)
    if fork.change:
        show(fork.change, err=True)
    if ending:
        orders = orders_to(invocation, ending.reference)
        why = f"rewound to {fork.point}" + (f": {ending.why}" if ending.why else "")
        receipt = await end_other(orders, world.clock, why=why)
        if receipt and receipt.is_taken:
            show(f"run {receipt.run_id}: {receipt.words}", err=True)
    root = await make_fork(fork, world)
    return await go_on(root, world, given=wish.given, evaluate=evaluate)
