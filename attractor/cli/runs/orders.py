"""Sends orders to runs, and verifies the identity of the person who decides."""

import getpass
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.errors import ExitCode, Refused, UsageError
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import opened_of
from attractor.config.user_folders import OPERATOR_VARIABLE, TOKEN_VARIABLE
from attractor.engine.questions.question import TERMINAL, UNVERIFIED, token_proof
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.operator_process import refuse_while_unguarded
from attractor.pipeline.orders import Orders, Receipt
from attractor.records.lookup import find_run
from attractor.records.summary import summarize_any

if TYPE_CHECKING:
    from attractor.factory.decisions.decide import Operator
    from attractor.factory.ledger.tokens import TokenStore
    from attractor.factory.open_project import OpenProject
    from attractor.factory.operator_process import Scope


def operator_name(
    invocation: Invocation, scope: "Scope | None" = None, *, everywhere: bool = False
) -> str:
    """Return the person to record: the holder of the token that is set, or else the user.

    The token has to allow a scope (default: `decide`) in this project, or in all projects.
    """
    secret = invocation.environ.get(TOKEN_VARIABLE, "")
    if not secret:
        return user_name(invocation)
    # Imported here, because most orders need no token.
    from attractor.factory.operator_process import Scope

    def project() -> str:
        return "" if everywhere else opened_of(invocation).identity.project_id()

    return token_store(invocation).holder(secret, scope or Scope.DECIDE, project)


def user_name(invocation: Invocation) -> str:
    """Return the name of a server's caller for whom the command acts, or of the user."""
    if name := invocation.environ.get(OPERATOR_VARIABLE):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"


def prove_operator(
    invocation: Invocation, *, sandboxed: bool, everywhere: bool = False
) -> "Operator":
    """Return the person who decides, identified by a token or a terminal.

    If tools ran without a sandbox, a terminal is not accepted, because an agent could have opened
    the terminal.
    """
    # Imported here, because most orders need no proof.
    from attractor.factory.decisions.decide import Operator, Proof

    if invocation.environ.get(TOKEN_VARIABLE):
        return Operator(operator_name(invocation, everywhere=everywhere), Proof.TOKEN)
    if invocation.has_terminal and sandboxed:
        state_dir = invocation.configuration.settings.state_dir
        refuse_while_unguarded("a proof by terminal", state_dir)
        return Operator(operator_name(invocation), Proof.TERMINAL)
    why = "the run had no verified sandbox" if invocation.has_terminal else "there is no terminal"
    raise UsageError(
        f"cannot prove who decides: {why}",
        hint=f"create a token with 'attractor token create' and set {TOKEN_VARIABLE}",
    )


def token_store(invocation: Invocation) -> "TokenStore":
    """Return the tokens of the state folder."""
    # Imported here, because most orders need no token.
    from attractor.factory.ledger.tokens import TokenStore

    return TokenStore(invocation.configuration.settings.state_dir)


def orders_to(invocation: Invocation, reference: str) -> Orders:
    """Return the object by which the calling user sends orders to a run of this project."""
    opened = opened_of(invocation)
    return orders_in(invocation, opened, find_run(reference, opened.project.runs_dir))


def orders_in(invocation: Invocation, opened: "OpenProject", root: Path) -> Orders:
    """Return the object by which the calling user sends orders to a run of a project."""
    # Imported here, because most orders do not end a run.
    from attractor.factory.decisions.run_end import record_end
    from attractor.factory.operator_process import Scope

    by = operator_name(invocation, Scope.OPERATE)
    orders = Orders(
        root=root,
        by=by,
        clock=opened.project.machine.clock,
        randomness=opened.project.machine.randomness,
        redactor=opened.project.redactor,
        before_end=partial(record_end, opened),
        runs_dir=opened.project.runs_dir,
        proof=proof_of(invocation, by),
    )
    if not RunDirectory(root).elsewhere.exists():
        return orders
    # Imported here, because most runs are executed on this machine.
    from attractor.cli.runs.fleet import open_dispatch
    from attractor.fleet.dispatch.orders import FleetOrders

    return FleetOrders.of(orders, opened, partial(open_dispatch, invocation))


def continue_actor_of(root: Path, opened: "OpenProject") -> str:
    """Start the process of the actor whose message a run answers; return its name, or ""."""
    if name := summarize_any(root).actor:
        # Imported here, because most runs answer no message.
        from attractor.worlds.orders import continue_actor

        continue_actor(root, opened)
    return name


def proof_of(invocation: Invocation, by: str) -> str:
    """Return the proof of an order of a person; an order without a proof is accepted too."""
    if invocation.environ.get(TOKEN_VARIABLE):
        return token_proof(by)
    try:
        refuse_while_unguarded("a proof by terminal", invocation.configuration.settings.state_dir)
    except Refused:
        return UNVERIFIED
    return TERMINAL if invocation.has_terminal else UNVERIFIED


def show_receipt(receipt: Receipt, *, as_json: bool, is_line: bool = False) -> ExitCode:
    """Print the result of an order."""
    words = f"run {receipt.run_id}: {receipt.words}"
    return show_result(receipt.to_record(), words, as_json=as_json, is_line=is_line)


def show_receipts(receipts: Sequence[Receipt], *, as_json: bool, is_line: bool = False) -> ExitCode:
    """Print the results of several answers, one per line."""
    lines = [f"run {one.run_id}: {one.words} {one.question}: {one.value}" for one in receipts]
    record = [receipt.to_record() for receipt in receipts]
    return show_result(record, *lines, as_json=as_json, is_line=is_line)
