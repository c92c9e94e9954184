"""Gives orders to runs on behalf of a command, and shows what became of them."""

from collections.abc import Sequence

from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation
from attractor.cli.operators import operator_name
from attractor.cli.output import show, show_json
from attractor.cli.worlds import world_of
from attractor.pipeline.orders import Orders, Receipt
from attractor.pipeline.run_lookup import find_run


def orders_to(invocation: Invocation, reference: str) -> Orders:
    """Return what gives orders to a run, in the name of whoever calls."""
    world = world_of(invocation)
    return Orders(
        root=find_run(reference, world.runs_dir),
        by=operator_name(invocation),
        clock=world.clock,
        randomness=world.randomness,
        redactor=world.redactor,
    )


def show_receipt(receipt: Receipt, *, as_json: bool, is_line: bool = False) -> ExitCode:
    """Show what became of an order; for a program that reads lines, as one."""
    if as_json:
        show_json(_record(receipt), is_line=is_line)
    else:
        show(f"run {receipt.run_id}: {receipt.words}")
    return ExitCode.DONE


def show_receipts(receipts: Sequence[Receipt], *, as_json: bool) -> ExitCode:
    """Show what became of several answers, a line each."""
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
