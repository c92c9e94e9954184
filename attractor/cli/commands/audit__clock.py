"""Compare the clock with the last record of the ledger, and correct a record dated ahead."""

from datetime import UTC, datetime

import click

from attractor.base.amounts import format_seconds
from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode, Refused
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.orders import prove_operator
from attractor.factory.decisions.decide import Proof
from attractor.factory.ledger.ledger import LONGEST_DELAY, Ledger


@click.command()
@click.option("--correct", is_flag=True, help="Record that earlier times follow; needs a person.")
@json_option
@click.pass_obj
def clock(invocation: Invocation, correct: bool, as_json: bool) -> ExitCode:
    """Compare the clock with the last record of the ledger.

    While the last record is dated ahead, nothing can be recorded in the state folder: a clock was
    wrong. With --correct, record a sealed line 'clock_corrected', after which times begin anew.
    This needs a terminal, or a token with the scope 'decide' in ATTRACTOR_TOKEN. A waiver that
    expired by the latest time ever recorded stays expired.
    """
    ledger, now = Ledger(invocation.configuration.settings.state_dir), SystemClock().now()
    last = ledger.last()
    ahead = last.when - now if last else None
    is_ahead = ahead is not None and ahead > LONGEST_DELAY
    if correct:
        if not is_ahead:
            raise Refused("no record is dated ahead", hint="see: attractor audit clock")
        operator = prove_operator(invocation, sandboxed=True, everywhere=True)
        if operator.proof is Proof.TERMINAL:
            question = f"Is it {_shown(now)}, and not {_shown(last.when if last else now)}?"
            click.confirm(question, abort=True, err=True)
        ledger.correct_clock(by=operator.name, proof=operator.proof.value, now=now)
    if as_json:
        record = {"now": now.isoformat(), "last_record": last.time if last else None}
        show_json({**record, "is_ahead": is_ahead, "is_corrected": correct})
        return ExitCode.DONE
    show(f"clock:       {_shown(now)}")
    show(f"last record: {f'{_shown(last.when)} ({last.kind})' if last else 'none'}")
    if correct:
        show("corrected: later records compare with the clock")
    elif is_ahead and ahead:
        show(
            f"The last record is {format_seconds(ahead.total_seconds())} ahead, so nothing can be "
            "recorded. If the clock is right now: attractor audit clock --correct"
        )
    else:
        show("No record is dated ahead.")
    return ExitCode.DONE


def _shown(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


part = clock
