"""Ask an agent about the factory; the program checks what it says."""

import asyncio
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
from attractor.factory.proposals import keep_proposal
from attractor.language.source.text import visible

if TYPE_CHECKING:
    from attractor.asking.statements import CheckedStatement
    from attractor.fleet.fleet import Fleet
    from attractor.fleet.views.overview import ExplainedRun


@click.command()
@click.argument("words", nargs=-1, metavar="QUESTION")
@click.option(
    "--propose",
    "reference",
    default="",
    metavar="RUN",
    help="Let the agent propose a change of a pipeline, an agent or a train scenario for this run.",
)
@chosen_model_options
@budget_options
@json_option
@click.pass_obj
def ask(
    invocation: Invocation,
    words: tuple[str, ...],
    reference: str,
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

    With --propose, the agent also sees the pipelines, agents and train scenarios of the last
    commit, and may propose a change of them. It is checked, and lies on a branch of its own until
    you apply or drop it ('attractor proposal'). The question is optional then.
    """
    # Imported here, because few commands need tools of agents.
    from attractor.asking.inquiry import Inquiry
    from attractor.asking.proposing import ProposeTool, read_subject
    from attractor.asking.question import STAGE, AskedQuestion, request_of, require_question

    watcher = Watcher(invocation, stage=STAGE)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    reached = reached_projects(invocation)
    require_reach(invocation, [opened.identity.project_id()], "this project")
    fleet, question, taken = partial(_read_fleet, invocation, reached), " ".join(words), None
    if question or not reference:
        question = require_question(question)
    if reference:
        inquiry = Inquiry(opened, "", opened.now(), reached, fleet)
        subject = asyncio.run(read_subject(reference, inquiry))
        taken, question = ProposeTool(subject), subject.goal(question)
    with TemporaryDirectory() as empty:
        request = request_of(question, Path(empty), model, provider, budgets)
        more = [taken.tools] if taken else []
        asked = AskedQuestion(request, opened, reached, fleet, *more)
        result = walk(asked.work(), watcher)
    kept = taken.proposal if taken else None
    proposal = asyncio.run(keep_proposal(kept, opened)) if kept else None
    statements = asked.answer(result)
    if as_json:
        found = [one.to_record() for one in statements]
        ended = {"run_id": result.run_id, "reason": result.reason}
        made = {"proposal": proposal.to_record() if proposal else None} if reference else {}
        show_json({**ended, "statements": found, **made, **usage_figures(result.usage)})
        return result.exit_code
    show("\n".join(visible(line) for one in statements for line in _lines(one)))
    if proposal:
        show(f"proposed: attractor proposal show {proposal.name}")
    elif reference:
        show("The agent proposed no change.")
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
