"""Gives orders to runs on behalf of a command, and shows what became of them."""

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.operators import operator_name
from attractor.cli.output import show, show_json
from attractor.cli.worlds import world_of
from attractor.pipeline.operating import Orders, Receipt
from attractor.pipeline.runs import find_run


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
        show_json(
            {
                "run_id": receipt.run_id,
                "action": receipt.action,
                "taken": receipt.is_taken,
                "question": receipt.question,
                "value": receipt.value,
            },
            is_line=is_line,
        )
    else:
        show(f"run {receipt.run_id}: {receipt.words}")
    return ExitCode.DONE
