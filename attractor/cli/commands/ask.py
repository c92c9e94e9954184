"""Ask an agent about the factory; the program checks what it says."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.setup import budget_options, chosen_model_options, opened_of
from attractor.cli.runs.universes import reached_projects, require_reach
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import describe_usage, usage_figures
from attractor.language.source.text import visible

if TYPE_CHECKING:
    from attractor.asking.statements import CheckedStatement
    from attractor.fleet.fleet import Fleet
    from attractor.fleet.views.overview import ExplainedRun


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="QUESTION")
@chosen_model_options
@budget_options
@json_option
@click.pass_obj
def ask(
    invocation: Invocation,
    words: tuple[str, ...],
    model: str,
    provider: str,
    budgets: Budgets,
    as_json: bool,
) -> ExitCode:
    """Ask an agent about missions, runs, costs, decisions and queues, and check its answer.

    The agent reads what you may read, and has no shell and no file of the project. Each figure of
    the answer is computed again, and each quote is looked up in the journal of its run. What does
    not agree is struck out, with the right value; what has no evidence is marked as said by the
    model. The answer is a run: 'attractor logs latest --stage answer' shows what the agent read.
    """
    # Imported here, because few commands need tools of agents.
    from attractor.asking.question import STAGE, AskedQuestion, request_of

    watcher = Watcher(invocation, stage=STAGE)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    reached = reached_projects(invocation)
    require_reach(invocation, [opened.identity.project_id()], "this project")
    with TemporaryDirectory() as empty:
        request = request_of(" ".join(words), Path(empty), model, provider, budgets)
        fleet = partial(_read_fleet, invocation, reached)
        asked = AskedQuestion(request, opened, reached, fleet)
        result = walk(asked.work(), watcher)
    statements = asked.answer(result)
    if as_json:
        found = [one.to_record() for one in statements]
        ended = {"run_id": result.run_id, "reason": result.reason}
        show_json({**ended, "statements": found, **usage_figures(result.usage)})
        return result.exit_code
    show("\n".join(visible(line) for one in statements for line in _lines(one)))
    why = f"{result.reason}; " if result.reason else ""
    show(visible(f"{why}run {result.run_id}, {describe_usage(result.usage)}"), err=True)
    return result.exit_code


def _read_fleet(invocation: Invocation, reached: Collection[str]) -> "Sequence[ExplainedRun]":
    async def read(fleet: "Fleet") -> "Sequence[ExplainedRun]":
        # It loads the database.
        from attractor.fleet.views.overview import read_open

        return (await read_open(fleet, projects=reached))[0]

    return in_fleet(invocation, read)


def _lines(one: "CheckedStatement") -> Iterator[str]:
    """Yield a statement with its mark, and the words of the program below it."""
    yield f"[{one.mark}] {one.text}"
    if one.unproved:
        yield f"    numbers said by the model: {', '.join(one.unproved)}"
    for figure in one.figures:
        yield f"    [{figure.mark}] {figure.stated.value:g}; {figure.words}"
    for cite in one.cites:
        yield f"    [{'struck out' if cite.fault else 'checked'}] {cite.words}"


part = ask
