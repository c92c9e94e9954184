"""List, show, apply and drop the changes that agents proposed."""

import asyncio

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name, prove_operator
from attractor.cli.runs.setup import opened_of
from attractor.factory.operator_process import Scope
from attractor.factory.proposals import (
    Proposals,
    ProposalState,
    ProposedChange,
    apply_proposal,
    check_lines,
    drop_proposal,
    read_patch,
)
from attractor.language.source.text import visible

_MOST_PATCH = 200_000


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def proposal(ctx: click.Context, as_json: bool) -> ExitCode:
    """List, show, apply and drop the changes that agents proposed ('attractor ask --propose RUN').

    A proposal changes pipelines, agents or train scenarios, and lies on a branch of its own,
    attractor/proposal/NAME. Without a command, list the open proposals.
    """
    if ctx.invoked_subcommand is None:
        return _list(ctx.ensure_object(Invocation), shows_all=False, as_json=as_json)
    return ExitCode.DONE


@proposal.command("list")
@click.option("--all", "shows_all", is_flag=True, help="Also list applied and dropped proposals.")
@json_option
@click.pass_obj
def list_(invocation: Invocation, shows_all: bool, as_json: bool) -> ExitCode:
    """List the open proposals."""
    return _list(invocation, shows_all=shows_all, as_json=as_json)


@proposal.command()
@click.argument("name", metavar="NAME")
@json_option
@click.pass_obj
def show(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Show a proposal: its reason, evidence, checks before and after, and its patch."""
    opened = opened_of(invocation)
    found = Proposals.of(opened).find(name)
    patch = asyncio.run(read_patch(found, opened, most=_MOST_PATCH))
    lines = [
        _line(found),
        f"  said by the model: {found.reason}",
        *(f"  run {one.run}, event {one.seq}: {one.quote}" for one in found.cites),
        *check_lines(found.checks),
        *patch.splitlines(),
    ]
    if found.state is ProposalState.OPEN:
        lines += [f"attractor proposal {word} {found.name}" for word in ("apply", "drop")]
    text = "\n".join(map(visible, lines))
    return show_result({**found.to_record(), "patch": patch}, text, as_json=as_json)


@proposal.command()
@click.argument("name", metavar="NAME")
@json_option
@click.pass_obj
def apply(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Move the branch to a proposal, and record in the ledger who decided it.

    To identify yourself, set ATTRACTOR_TOKEN to a token, or run the command at a terminal. A branch
    that moved since the proposal is refused with exit status 4: propose the change anew.
    """
    opened = opened_of(invocation)
    # The agent that proposed it had no shell.
    by = prove_operator(invocation, sandboxed=True)
    applied = asyncio.run(apply_proposal(name, opened, by=by.name, proof=by.proof))
    return _show(applied, as_json=as_json)


@proposal.command()
@click.argument("name", metavar="NAME")
@json_option
@click.pass_obj
def drop(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Drop a proposal and its branch; the same change is not proposed again."""
    by, opened = operator_name(invocation, Scope.DECIDE), opened_of(invocation)
    return _show(asyncio.run(drop_proposal(name, opened, by=by)), as_json=as_json)


def _list(invocation: Invocation, *, shows_all: bool, as_json: bool) -> ExitCode:
    found = Proposals.of(opened_of(invocation)).all()
    shown = [one for one in found if shows_all or one.state is ProposalState.OPEN]
    records: list[Json] = [one.to_record() for one in shown]
    words = "\n".join(visible(_line(one)) for one in shown)
    none = "There are no open proposals. Ask for one: attractor ask --propose RUN"
    return show_result(records, words or none, as_json=as_json)


def _line(one: ProposedChange) -> str:
    failed = f", {number_of(len(one.failed), 'check')} failed" if one.failed else ""
    by = f" by {one.by}" if one.by else ""
    return f"{one.name}  {one.state}{by}{failed}  run {one.run_id}  {', '.join(one.files)}"


def _show(one: ProposedChange, *, as_json: bool) -> ExitCode:
    words = f"{one.name} is {one.state} by {one.by}: {', '.join(one.files)} on {one.branch}"
    return show_result(one.to_record(), visible(words), as_json=as_json)


part = proposal
