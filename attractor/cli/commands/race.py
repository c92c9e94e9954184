"""Race attempts at one task: run a pipeline several times, and rank the results."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.files import write_whole
from attractor.cli.invocation import Invocation, debug_option, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.gallery import with_test_command
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.pipelines import find_pipeline
from attractor.cli.runs.races import race_lines
from attractor.cli.runs.setup import (
    INPUT_FORMS,
    Amount,
    input_option,
    judge_options,
    opened_of,
    read_inputs,
    sandbox_option,
)
from attractor.cli.shell_completion import complete_models
from attractor.engine.budgets import Budgets
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.race import (
    AttemptView,
    begin_race,
    cancel_here,
    look,
    race_record,
)
from attractor.factory.operations.race_process import give_up_attempts, run_race
from attractor.factory.operator_process import Scope
from attractor.factory.races import LATEST, Race, Stop, find_race, results_of, winner_of
from attractor.records.request import RunRequest

_BEGIN = "begin"


class _RaceGroup(click.Group):
    """The commands about races; `race FILE` is short for `race begin FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let other first words than those of the group be the arguments of `begin`."""
        is_own = args[:1] and args[0] in self.commands or _OWN.issuperset(args)
        return super().parse_args(ctx, args if is_own else [_BEGIN, *args])


_OWN = frozenset({"-h", "--help", "--debug", "--json"})


@click.group(cls=_RaceGroup, invoke_without_command=True)
@json_option
@click.pass_context
def race(ctx: click.Context, as_json: bool) -> ExitCode:
    """Race attempts at one task: run a pipeline several times, and rank the results.

    'attractor race PIPELINE.dot' is short for 'attractor race begin PIPELINE.dot', and 'attractor
    race' for 'attractor race show'. All attempts start from the last commit, and the same suite
    judges them with the same seeds. The lower bound of each counts all attempts, because one of
    many may pass by luck.
    """
    if ctx.invoked_subcommand is None:
        return _show_named(ctx.ensure_object(Invocation), LATEST, as_json=as_json)
    return ExitCode.DONE


@race.command(_BEGIN)
@click.argument(
    "pipeline", type=click.Path(path_type=Path, allow_dash=True), metavar="PIPELINE.dot"
)
@click.option(
    "--attempts",
    type=click.IntRange(2, 100),
    required=True,
    help="Run the pipeline this many times.",
)
@click.option(
    "--with",
    "backends",
    default="",
    metavar="NAME[:MODEL],...",
    help="Execute stages with these backends, in turn, each with its model, if one is named "
    "(default: backends.default, or agent).",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    shell_complete=complete_models,
    help="Use this model for nodes without one. Repeat it: each backend takes each model in turn.",
)
@click.option(
    "--at-most",
    type=click.IntRange(1),
    help="Execute at most this many attempts at once (default: all).",
)
@click.option(
    "--max-cost-usd",
    type=Amount(min=0, min_open=True),
    help="Limit the cost of all attempts together; each gets an equal share.",
)
@click.option(
    "--stop",
    type=click.Choice([choice.value for choice in Stop]),
    default=Stop.ALL.value,
    show_default=True,
    help="End the race with its last attempt, or with the first one that has a go: then the others "
    "are canceled, and time decides, too.",
)
@click.option(
    "--on",
    "pool",
    default="",
    metavar="POOL",
    help="Let workers of this pool of the fleet execute the attempts; this machine judges them.",
)
@click.option("--goal", default="", help="Replace the goal of the pipeline.")
@input_option(f"Set {INPUT_FORMS}.")
@judge_options("Judge the attempts with this suite.", "Judge the attempts by this profile.")
@sandbox_option()
@json_option
@debug_option(hidden=True)
@click.pass_obj
def begin(
    invocation: Invocation,
    pipeline: Path,
    attempts: int,
    backends: str,
    models: tuple[str, ...],
    at_most: int | None,
    max_cost_usd: float | None,
    stop: str,
    pool: str,
    goal: str,
    pairs: tuple[str, ...],
    suite: str,
    profile: str,
    sandbox: str,
    as_json: bool,
) -> ExitCode:
    """Begin a race, and print the table of its attempts when all have ended.

    PIPELINE.dot is what 'attractor run' takes. The number of attempts is recorded before the first
    one begins. A race is refused if it could not reach min_lower_bound of its suite, or would pass
    max_attempts_per_version. A killed race continues with 'attractor race resume'. Exit with 0 if
    an attempt has a go, with 1 if none has, and with 3 if attempts have not ended.
    """
    pipeline, opened, gallery = find_pipeline(pipeline, opened_of(invocation))
    request = RunRequest(
        file=pipeline.absolute(),
        goal=goal,
        inputs=read_inputs(pairs, None, environ=invocation.environ),
        sandbox=sandbox,
        budgets=Budgets(None if max_cost_usd is None else max_cost_usd / attempts),
        suite=suite,
        profile=profile,
        gallery=gallery,
    )
    request = with_test_command(request, opened.project)
    default = invocation.configuration.settings.backends.default
    entrants = [
        replace(request, backend=name, model=model)
        for name, model in _pair(backends, models, default)
    ]
    by = operator_name(invocation, Scope.OPERATE)
    work = partial(
        begin_race,
        entrants,
        opened,
        attempts=attempts,
        at_once=at_most or attempts,
        by=by,
        stop=Stop(stop),
        pool=pool,
    )
    begun = _begin_on(pool, invocation, opened, work) if pool else asyncio.run(work())
    show(f"race {begun.race_id}: {attempts} attempts, {begun.counted} count", err=True)
    return execute_race(begun, invocation, opened, as_json=as_json)


def _pair(backends: str, models: Sequence[str], default: str) -> Sequence[tuple[str, str]]:
    """Return the backends of `--with` with their models, in turn."""
    names = [name.strip() for name in backends.split(",") if name.strip()]
    if backends and not names:
        raise UsageError("no backend in --with", hint="name some: --with claude,codex")
    if models and ":" in backends:
        raise UsageError(
            "--with names models, so --model has no effect",
            hint="name the model of each backend: --with codex:MODEL,claude:MODEL",
        )
    split = [name.partition(":") for name in names or [default]]
    return [(name, own or model) for model, (name, _, own) in product(models or ("",), split)]


def _begin_on(
    pool: str,
    invocation: Invocation,
    opened: OpenProject,
    work: Callable[..., Awaitable[Race]],
) -> Race:
    """Begin a race in a pool; refuse one whose attempts the pool would refuse, before it counts."""
    # Imported here, because only the fleet needs a database.
    from attractor.cli.runs.fleet import open_dispatch, require_extra

    require_extra()
    from attractor.cli.runs.universes import require_reach
    from attractor.fleet.dispatch.dispatch import Where

    require_reach(invocation, [opened.identity.project_id()], "this one")

    async def begin_checked() -> Race:
        async with open_dispatch(invocation, opened) as dispatch:
            return await work(check=partial(dispatch.require_accepted, where=Where(pool)))

    return asyncio.run(begin_checked())


@race.command()
@click.argument("reference", default=LATEST, metavar="[RACE]")
@json_option
@debug_option(hidden=True)
@click.pass_obj
def resume(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Continue a race whose attempts have not ended, such as after a kill or an answer.

    RACE is a race id, a unique beginning of one, or 'latest'. Attempts that ended stay as they are.
    """
    opened = opened_of(invocation)
    found = find_race(opened.ledger, opened.identity.project_id(), reference)
    return execute_race(found, invocation, opened, as_json=as_json)


@race.command()
@click.argument("reference", default=LATEST, metavar="[RACE]")
@json_option
@debug_option(hidden=True)
@click.pass_obj
def end(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """End a race without the attempts that have not begun, such as after Ctrl-C.

    RACE is a race id, a unique beginning of one, or 'latest'. Attempts that have not begun never
    begin, and still count in the bound. Attempts that have begun must have ended: 'attractor race
    resume' continues them, and 'attractor cancel RUN' gives one up. Exit with 0 if the race has
    ended, and with 3 if attempts have not.
    """
    by, opened = operator_name(invocation, Scope.OPERATE), opened_of(invocation)
    found = find_race(opened.ledger, opened.identity.project_id(), reference)
    views = give_up_attempts(found, opened, by=by)
    has_ended = _show(found, views, opened, as_json=as_json, again="end")
    return ExitCode.DONE if has_ended else ExitCode.UNFINISHED


@race.command("show")
@click.argument("reference", default=LATEST, metavar="[RACE]")
@click.option(
    "--html",
    "html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the table to this file: one HTML file that needs no server.",
)
@json_option
@debug_option(hidden=True)
@click.pass_obj
def show_race(invocation: Invocation, reference: str, html: Path | None, as_json: bool) -> ExitCode:
    """Show the attempts of a race, best first: verdict, bound, changes, cost and time.

    RACE is a race id, a unique beginning of one, or 'latest'.
    """
    return _show_named(invocation, reference, html, as_json=as_json)


def _show_named(
    invocation: Invocation, reference: str, html: Path | None = None, *, as_json: bool
) -> ExitCode:
    opened = opened_of(invocation)
    found = find_race(opened.ledger, opened.identity.project_id(), reference)
    views = asyncio.run(look(found, opened))
    if html:
        # Imported here, because only this option needs the templates of the server's pages.
        from attractor.server.html.report import report_of_race

        write_whole(html, report_of_race(found, views, opened), sync=False)
    _show(found, views, opened, as_json=as_json)
    return ExitCode.DONE


def execute_race(
    begun: Race, invocation: Invocation, opened: OpenProject, *, as_json: bool
) -> ExitCode:
    """Execute the attempts of a race that have not ended, and print their table."""
    if begun.pool or opened.elsewhere:
        # The processes of attempts open the fleet: for the runs, or for their trials.
        # Imported here, because only the fleet needs a database.
        from attractor.cli.runs.fleet import addresses_of, require_extra

        require_extra()
        from attractor.fleet.dispatch.race_attempt import MODULE, attempts_in

        in_pool = attempts_in(begun.pool, addresses_of(invocation), opened)
        cancel = in_pool.cancel if begun.pool else cancel_here
        views = run_race(begun, opened, MODULE, cancel)
    else:
        views = run_race(begun, opened)
    if not _show(begun, views, opened, as_json=as_json):
        return ExitCode.UNFINISHED
    return ExitCode.DONE if winner_of(view.result for view in views) else ExitCode.FAILED


def _show(
    found: Race,
    views: Sequence[AttemptView],
    opened: OpenProject,
    *,
    as_json: bool,
    again: str = "resume",
) -> bool:
    """Print a race, and return whether it has ended."""
    has_ended = results_of(opened.ledger, found.race_id) is not None
    if as_json:
        show_json(race_record(found, views, has_ended=has_ended))
    else:
        entries = opened.ledger.mentioning(LineKind.PROMOTED.value)
        promoted = [entry.run_id for entry in entries if entry.kind == LineKind.PROMOTED]
        lines = race_lines(found, views, has_ended=has_ended, promoted=promoted, again=again)
        show("\n".join(lines))
    return has_ended


part = race
