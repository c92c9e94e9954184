"""Answer what a run asks."""

from collections.abc import Sequence

import click

from attractor.base.canonical import Json
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.orders import orders_to, show_receipt
from attractor.cli.output import show, show_json
from attractor.engine.question_records import question_to_record
from attractor.engine.seams import Question


@click.command()
@click.argument("reference", metavar="RUN")
@click.argument("choice", required=False)
@click.option("--question", default="", help="Which one, by its id or its node, of several.")
@click.option("--why", default="", help="Why, for the record.")
@json_option
@click.pass_obj
def answer(
    invocation: Invocation,
    reference: str,
    choice: str | None,
    question: str,
    why: str,
    as_json: bool,
) -> ExitCode:
    """Answer what a run asks.

    RUN is an id, the beginning of one, a run directory, or 'latest'. CHOICE is a key or a label;
    without it, what is asked is listed. The answer is recorded: a process that holds the run goes
    on with it, else 'attractor resume' does. What matches no choice is refused, changing nothing.
    """
    orders = orders_to(invocation, reference)
    if choice is not None:
        receipt = orders.answer(choice, question=question, why=why)
        code = show_receipt(receipt, as_json=as_json)
        if receipt.is_taken and not as_json:
            show(f"go on with: attractor resume {receipt.run_id}")
        return code
    asked = orders.questions()
    if as_json:
        show_json(_records(asked))
    else:
        show("\n\n".join(map(_text, asked)) or "The run asks nothing.")
    return ExitCode.DONE


def _records(asked: Sequence[Question]) -> list[dict[str, Json]]:
    return [question_to_record(one) for one in asked]


def _text(one: Question) -> str:
    until = f"   (until {one.deadline})" if one.deadline else ""
    choices = [f"  [{option.key}] {option.label}" for option in one.options]
    return "\n".join([f"{one.id}: {one.text}{until}", *choices])


part = answer
