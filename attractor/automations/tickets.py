"""Tickets: a command of the creator prints each as a line of JSON, and each id starts one run."""

import asyncio
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import timedelta
from pathlib import Path

from attractor.automations.errors import InvalidAutomation
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json, parse_json
from attractor.base.processes import OutputLimit, run_process
from attractor.base.records import read_record
from attractor.pipeline.messengers.command import SHELL

_TIME_LIMIT = timedelta(seconds=60)
_KEPT = OutputLimit(head=4_000_000, tail=2_000)
_FORM = 'print lines such as {"id": "A-1", "inputs": {"title": "..."}}'
_LONGEST_ID = 200
_GUARDED = """
exec 3<&0 </dev/null
{ read -r line; kill -KILL 0; } <&3 &
"$0" -c "$1" 3<&-
code=$?
exec 2>/dev/null
kill -KILL $!
wait $!
exit $code
"""
"""Runs a command, and kills its process group if standard input ends meanwhile."""


@dataclass(frozen=True)
class Ticket:
    """A piece of work of another system: its id there, and the inputs of its run."""

    id: str
    inputs: Mapping[str, Json] = field(default_factory=dict[str, Json])


def parse_tickets(output: str) -> Sequence[Ticket]:
    """Return the tickets in an output, each id once; refuse an output with an invalid line."""
    found: dict[str, Ticket] = {}
    for number, line in enumerate(output.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
            if not isinstance(record, dict):
                raise UsageError("it is no object")
            ticket = read_record(Ticket, record)
        except (NotCanonical, UsageError) as cause:
            message = f"invalid ticket in line {number} of the output: {cause.message}"
            raise InvalidAutomation(message, hint=_FORM) from cause
        if not 0 < len(ticket.id) <= _LONGEST_ID:
            message = f"invalid id of the ticket in line {number} of the output"
            raise InvalidAutomation(message, hint=_FORM)
        found.setdefault(ticket.id, ticket)
    return [*found.values()]


def read_tickets(command: str, folder: Path, environ: Mapping[str, str]) -> Sequence[Ticket]:
    """Run the command of an automation in a folder, and return the tickets that it prints.

    The command ends with this process, also if the process is killed.
    """
    guarded = [SHELL, "-c", _GUARDED, SHELL, command]
    with _held_pipe() as pipe:
        result = asyncio.run(
            run_process(
                guarded, cwd=folder, env=environ, timeout=_TIME_LIMIT, stdin=pipe, keep=_KEPT
            )
        )
    hint = f"try it in {folder}: {command}"
    if result.timed_out:
        raise InvalidAutomation("the command of tickets did not end within a minute", hint=hint)
    if result.exit_code:
        last = (result.stderr.strip() or "it printed no reason").splitlines()[-1][:200]
        fault = f"the command of tickets failed with exit status {result.exit_code}: {last}"
        raise InvalidAutomation(fault, hint=hint)
    if result.stdout_omitted:
        raise InvalidAutomation("the command of tickets printed more than 4 MB", hint=hint)
    return parse_tickets(result.stdout)


@contextmanager
def _held_pipe() -> Generator[Path]:
    """Yield a pipe to read, which ends with the block, and with this process."""
    ends = os.pipe()
    try:
        yield Path(f"/dev/fd/{ends[0]}")
    finally:
        for end in ends:
            os.close(end)
