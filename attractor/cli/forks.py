"""Forks a run and walks the new one on, for `fork` and `rewind`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from attractor.base.errors import ExitCode
from attractor.cli.budget_options import budget_options
from attractor.cli.invocation import Invocation
from attractor.cli.json_lines import show_end
from attractor.cli.options import json_option
from attractor.cli.orders import orders_to
from attractor.cli.output import show
from attractor.cli.walking import Watcher, walk
from attractor.cli.worlds import world_of
from attractor.engine.results import RunResult
from attractor.engine.run_directory import RunDirectory, read_manifest
from attractor.factory.launch import evaluator_of, go_on
from attractor.interviewers.names import INTERVIEWERS, placed_name
from attractor.pipeline.forking import Wish, make_fork, plan_fork
from attractor.pipeline.rewinding import end_other
from attractor.pipeline.world import World

F = TypeVar("F", bound=Callable[..., Any])

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
    click.option("--no-evaluate", is_flag=True, help="Stop before the evaluation."),
    click.option("--run-dir", type=click.Path(path_type=Path), help="Where to keep the new run."),
    json_option,
)


@dataclass(frozen=True)
class Ending:
    """That the run which is gone back in ends for good, and why."""

    reference: str
    why: str


def fork_options(function: F) -> F:
    """Add what both commands are given."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def interviewer_of(invocation: Invocation, named: str) -> str:
    """Return who answers from here on: at a terminal the person there, else as in the old run."""
    named = named or ("console" if invocation.has_terminal else "")
    return placed_name(named, invocation.folder)


def fork_and_walk(
    invocation: Invocation,
    wish: Wish,
    *,
    evaluate: bool,
    as_json: bool,
    ending: Ending | None = None,
) -> ExitCode:
    """Make the new run and walk it until it rests; show what came of it."""
    runs_dir = invocation.configuration.settings.runs_dir
    watcher = Watcher(invocation, wish.new_root, as_json=as_json)
    world = world_of(invocation, watch=watcher, output=watcher.output)
    work = _work(invocation, wish, world, evaluate=evaluate, ending=ending)
    result = walk(work, watcher)
    manifest = read_manifest(RunDirectory(result.directory))
    linked = {"parent": manifest.parent, "forked_at": manifest.forked_at}
    return show_end(result, runs_dir, as_json=as_json, more=linked)


async def _work(
    invocation: Invocation, wish: Wish, world: World, *, evaluate: bool, ending: Ending | None
) -> RunResult:
    evaluator_of(world).require_own(wish.root)
    fork = await plan_fork(wish, world)
    if fork.change:
        show(fork.change, err=True)
    if ending:
        orders = orders_to(invocation, ending.reference)
        why = f"rewound to {fork.point}" + (f": {ending.why}" if ending.why else "")
        await end_other(orders, world.clock, why=why)
    root = await make_fork(fork, world)
    return await go_on(root, world, evaluate=evaluate)
