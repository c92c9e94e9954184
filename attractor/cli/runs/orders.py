"""Sends orders to runs, proves who decides, and creates forks for `fork` and `rewind`."""

import getpass
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, UsageError
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.setup import budget_options, budgets_of, given_of, given_options, host_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.launch import evaluator_of, go_on
from attractor.interviewers.registry import INTERVIEWERS, placed_name
from attractor.pipeline.fork.create import ForkOptions, make_fork, plan_fork
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.runs.lookup import find_run
from attractor.pipeline.runs.orders import Orders, Receipt, end_and_wait

TOKEN_VARIABLE = "ATTRACTOR_TOKEN"
DECIDE = "decide"


@dataclass(frozen=True)
class Operator:
    """A person and the proof of their identity."""

    name: str
    proof: str


def operator_name(invocation: Invocation) -> str:
    """Return the user name of the caller."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"


def prove_operator(invocation: Invocation, *, sandboxed: bool) -> Operator:
    """Return who decides, proved by a token or a terminal.

    A terminal is no proof if tools ran without a sandbox: an agent could have opened it.
    """
    secret = invocation.environ.get(TOKEN_VARIABLE, "")
    if secret:
        from attractor.factory.tokens import Tokens

        tokens = Tokens(invocation.configuration.settings.state_dir)
        return Operator(tokens.holder(secret, DECIDE), "token")
    if invocation.has_terminal and sandboxed:
        return Operator(operator_name(invocation), "terminal")
    why = "the run had no verified sandbox" if invocation.has_terminal else "there is no terminal"
    raise UsageError(
        f"cannot prove who decides: {why}",
        hint=f"create a token with 'attractor token create' and set {TOKEN_VARIABLE}",
    )


def orders_to(invocation: Invocation, reference: str) -> Orders:
    """Return the order interface of a run for the calling user."""
    host = host_of(invocation)
    return Orders(
        root=find_run(reference, host.runs_dir),
        by=operator_name(invocation),
        clock=host.clock,
        randomness=host.randomness,
        redactor=host.redactor,
    )


def show_receipt(receipt: Receipt, *, as_json: bool, is_line: bool = False) -> ExitCode:
    """Print the result of an order."""
    if as_json:
        show_json(_record(receipt), is_line=is_line)
    else:
        show(f"run {receipt.run_id}: {receipt.words}")
    return ExitCode.DONE


def show_receipts(receipts: Sequence[Receipt], *, as_json: bool) -> ExitCode:
    """Print the results of several answers, one per line."""
    if as_json:
        show_json([_record(one) for one in receipts])
        return ExitCode.DONE
    for one in receipts:
        show(f"run {one.run_id}: {one.words} {one.question}: {one.value}")
    return ExitCode.DONE


def _record(receipt: Receipt) -> dict[str, Json]:
    return {
        "run_id": receipt.run_id,
        "action": receipt.action,
        "taken": receipt.is_taken,
        "question": receipt.question,
        "value": receipt.value,
    }


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
class ReplacedRun:
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

    def wish(self, invocation: Invocation, *, ends_other: bool) -> ForkOptions:
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
    """Add the options of `fork` and `rewind`, passed as one value `asked`."""

    @wraps(function)
    def command(**given: Any) -> ExitCode:
        asked = ForkArguments(**{one.name: given.pop(one.name) for one in fields(ForkArguments)})
        return function(asked=asked, **given)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fork_and_walk(
    invocation: Invocation, asked: ForkArguments, *, ending: ReplacedRun | None = None
) -> ExitCode:
    """Create the new run, run it until it stops, and print the result."""
    runs_dir = invocation.configuration.settings.runs_dir
    wish = asked.wish(invocation, ends_other=ending is not None)
    watcher = Watcher(invocation, wish.new_root, as_json=asked.as_json)
    host = host_of(invocation, watch=watcher, output=watcher.output, quiet=watcher.quiet)
    work = _work(invocation, wish, host, evaluate=not asked.no_evaluate, ending=ending)
    result = walk(work, watcher)
    manifest = read_manifest(RunDirectory(result.directory))
    linked = {"parent": manifest.parent, "forked_at": manifest.forked_at}
    return show_end(result, runs_dir, as_json=asked.as_json, more=linked)


def _interviewer(invocation: Invocation, named: str) -> str:
    """Return the interviewer: the console at a terminal, otherwise that of the old run."""
    named = named or ("console" if invocation.has_terminal else "")
    return placed_name(named, invocation.folder)


async def _work(
    invocation: Invocation,
    wish: ForkOptions,
    host: RunHost,
    *,
    evaluate: bool,
    ending: ReplacedRun | None,
) -> RunResult:
    evaluator_of(host).require_own(wish.root)
    fork = await plan_fork(wish, host)
    if fork.change:
        show(fork.change, err=True)
    if ending:
        orders = orders_to(invocation, ending.reference)
        why = f"rewound to {fork.point}" + (f": {ending.why}" if ending.why else "")
        receipt = await end_and_wait(orders, host.clock, why=why)
        if receipt and receipt.is_taken:
            show(f"run {receipt.run_id}: {receipt.words}", err=True)
    root = await make_fork(fork, host)
    return await go_on(root, host, given=wish.given, evaluate=evaluate)
