"""List what needs a person, over all projects; answer it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import click

from attractor.attention.causes import with_rows
from attractor.attention.reading import Attention, read_attention
from attractor.attention.rows import AttentionRow, Choice, Settler, find_row, read_line, settle
from attractor.attention.snoozing import snooze
from attractor.base.clock import SystemClock
from attractor.base.durations import format_age, parse_duration
from attractor.base.errors import AttractorError, ExitCode
from attractor.cli.invocation import THIS_PROGRAM, Invocation, json_option
from attractor.cli.output.streams import show, show_result, table
from attractor.cli.runs.actors import sender_of
from attractor.cli.runs.orders import orders_in
from attractor.engine.outcome import format_usage_cost
from attractor.engine.truncation import both_ends, shorten
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operator_process import Scope, refuse_while_unguarded
from attractor.interviewers.prompts import shown_prompt, shown_question
from attractor.language.source.text import visible
from attractor.pipeline.orders import Orders

_LONGEST_REASON = 60
_LONGEST_TITLE = 24
_PAUSE_S = 0.5
_NOTHING = "Nothing needs you."
_NEXT = "attractor attention next"


@click.command()
@click.argument("next_", metavar="[next]", required=False, type=click.Choice(["next"]))
@click.option("--watch", is_flag=True, help="List again after each change, until Ctrl-C.")
@json_option
@click.pass_obj
def attention(invocation: Invocation, next_: str | None, watch: bool, as_json: bool) -> ExitCode:
    """List what needs a person in all projects of the state folder, the oldest first.

    These are questions and decisions of runs, runs that do not go on by themselves, actors that
    failed, answered, or lost their process, plans of growth, drafted desires, drafts of suites,
    apps that went down, stuck queues of promotions, runs that one gave back, pull requests that
    wait for you here, and automations that could start no run. Failed tasks of one cause are one
    row. Each row has the command that settles it; what is settled anywhere is gone here. If
    something cannot be read, the exit status is 3.
    'attractor attention next' shows one after the other, and takes the answer. With --json, it
    prints the first row, or null, and takes none.
    """
    if next_ and not as_json:
        return _answer_all(invocation)
    shown: object = None
    told = set[str]()
    while True:
        found = _read(invocation, told)
        # A change of the age alone is no change.
        if (now := [row.to_record() for row in found.rows]) != shown:
            shown = now
            record = next(iter(now), None) if next_ else now
            show_result(record, *_lines(found), as_json=as_json, is_line=watch)
        if not watch:
            return ExitCode.UNFINISHED if found.troubles else ExitCode.DONE
        time.sleep(_PAUSE_S)


def _read(invocation: Invocation, told: set[str]) -> Attention:
    """Return what needs a person; say each trouble once."""
    state = invocation.configuration.settings.state_dir
    found = read_attention(state, SystemClock().now(), invocation.environ)
    for trouble in found.troubles:
        if trouble not in told:
            show(visible(trouble), err=True)
        told.add(trouble)
    return found


def _lines(found: Attention) -> list[str]:
    snoozed = [f"{len(found.asleep)} snoozed."] if found.asleep else []
    if not found.rows:
        # What cannot be read may need a person.
        return [*([] if found.troubles else [_NOTHING]), *snoozed]
    now = SystemClock().now()
    rows = [("age", "project", "who", "needs", "cost", "reason")]
    for row in found.rows:
        first = row.reason.strip().partition("\n")[0]
        rows.append(
            (
                format_age(now - row.since),
                visible(row.project.root.name),
                visible(shorten(row.title, _LONGEST_TITLE)),
                row.need,
                format_usage_cost(row.usage),
                # The end of a command is as important as its beginning.
                visible((both_ends if row.questions else shorten)(first, _LONGEST_REASON)),
            )
        )
    heading, *lines = table(rows)
    parts = [
        [line, *_ways(row), *(f"  {visible(one.command)}" for one in row.rows)]
        for line, row in zip(lines, found.rows, strict=True)
    ]
    return [heading, *(line for part in parts for line in part), *snoozed]


def _ways(row: AttentionRow) -> Iterator[str]:
    """Yield the command that settles a row, and what 'attractor attention next' offers."""
    if row.command != _NEXT:
        yield f"  {row.command}"
    if row.choices:
        yield f"  {_NEXT}: {visible('; '.join(one.label for one in row.choices))}"


class _Quit(Exception):
    """The person has enough."""


def _answer_all(invocation: Invocation) -> ExitCode:
    """Show one row after the other, and take an answer to each."""
    passed, told, rows = set[str](), set[str](), list[AttentionRow]()
    while True:
        # Read again only at the end of what was read.
        rows = rows or [row for row in _read(invocation, told).rows if row.id not in passed]
        if not rows:
            if told:
                # What cannot be read may need a person.
                return ExitCode.UNFINISHED
            show(_NOTHING if not passed else "Nothing else needs you.")
            return ExitCode.DONE
        row = rows.pop(0)
        try:
            _answer(invocation, row, told)
        except _Quit:
            return ExitCode.DONE
        except AttractorError as fault:
            # Such as an answer that another person gave meanwhile.
            show(f"{fault.message} ({fault.hint})" if fault.hint else fault.message, err=True)
        passed.add(row.id)


def _answer(invocation: Invocation, row: AttentionRow, told: set[str]) -> None:
    """Show a row, and do what the person chooses; of several tasks, also one after the other."""
    environ = {**invocation.environ, "ATTRACTOR_STATE_DIR": str(_state(invocation))}
    opened = open_project(row.project.root, environ)
    left = [*row.rows]
    while True:
        age = format_age(SystemClock().now() - row.since)
        show(f"\n{visible(row.title)} ({visible(row.project.root.name)}, {age}): {row.need}")
        show("\n".join(_evidence(row, left, opened)))
        numbers = [str(number) for number in range(1, len(left) + 1)]
        said = _prompt(invocation, row, numbers)
        if said in numbers:
            _answer(invocation, left.pop(int(said) - 1), told)
            if left:
                row = with_rows(row, left)
                continue
            return
        if said and (meant := read_line(said, row.choices)):
            # What was shown may have changed while the person read it; tasks name their messages.
            rows = [row] if left else _read(invocation, told).rows
            show(settle(find_row(row.id, rows), *meant, _settler(invocation, opened)))
        return


def _require(state: Path, scope: Scope) -> None:
    if scope is Scope.DECIDE:
        refuse_while_unguarded("this choice", state)


def _settler(invocation: Invocation, opened: OpenProject) -> Settler:
    # Imported here, because a list settles nothing.
    from attractor.pipeline.workspace.deliver import deliver_ended_run
    from attractor.worlds.orders import continue_actor

    def orders(run_id: str) -> Orders:
        return orders_in(invocation, opened, opened.project.runs_dir / run_id)

    def cancel(run_id: str, why: str) -> None:
        asked = orders(run_id)
        if asked.cancel(why).is_taken:
            asyncio.run(deliver_ended_run(asked.root, opened.project))

    def resume(run_id: str) -> str:
        # In the foreground: the person sees how it goes on, and can interrupt it.
        command = [*THIS_PROGRAM, "-c", f"state_dir={_state(invocation)}", "resume", run_id]
        done = subprocess.run(command, cwd=opened.project.root, check=False)
        return f"{run_id} ended with exit status {done.returncode}"

    def answer(run_id: str, question: str, answer: str) -> str:
        asked = orders(run_id)
        words = asked.answer(answer, question=question).words
        if not continue_actor(asked.root, opened) and asked.needs_process(""):
            words += f"\ncontinue with: attractor resume {run_id}"
        return words

    require = partial(_require, _state(invocation))
    return Settler(sender_of(invocation), opened, require, cancel, resume, answer)


def _evidence(
    row: AttentionRow, left: Sequence[AttentionRow], opened: OpenProject
) -> Iterator[str]:
    """Yield what a person needs to choose."""
    found = row.evidence(lambda: opened)
    for name, text in {"task": found.task, **found.facts}.items():
        yield from [f"  {name}: {visible(text)}"] if text else []
    yield from (f"  {visible(line)}" for line in found.said.splitlines())
    for words in found.outputs:
        yield f"  {words.attempt}: {words.outcome}"
        yield from (f"  | {line}" for line in words.lines)
    if found.changes.files:
        yield f"  changes: {found.changes.summary}"
    if row.questions:
        yield shown_question(row.questions[0]).rstrip("\n")
    elif not row.message:
        yield f"  {visible(row.reason)}"
    if not row.choices:
        yield f"  {row.command}"
    for number, one in enumerate(left, 1):
        first = one.reason.strip().partition("\n")[0]
        yield f"  {number}. {visible(one.name)}: {visible(shorten(first, _LONGEST_REASON))}"


def _offer(row: AttentionRow) -> str:
    """Return the line that says what a person can type."""
    if row.questions:
        return f"{shown_prompt(row.questions[0]).strip()} (Enter: later)"
    words = [_word(one) for one in row.choices]
    if row.rows:
        words.append("a number: answer that task alone")
    return f"{'; '.join(words)} (Enter: later)" if words else "Enter: next"


def _word(choice: Choice) -> str:
    if choice.is_free:
        return choice.label
    fields = "".join(f" {one.name.upper()}" for one in choice.fields)
    label = "" if choice.label == choice.key else f": {choice.label}"
    return f"{choice.key}{fields}{label}"


def _state(invocation: Invocation) -> Path:
    return invocation.configuration.settings.state_dir


def _prompt(invocation: Invocation, row: AttentionRow, numbers: Sequence[str]) -> str:
    """Return the line that a person types; `snooze TIME`, `q` and Enter are taken here."""
    while True:
        show(f"{_offer(row)}; snooze 1h; q: quit", err=True)
        line = sys.stdin.readline() if sys.stdin else ""
        if not line or line.strip() == "q":
            raise _Quit
        word, _, rest = line.strip().partition(" ")
        if word == "snooze":
            now = SystemClock().now()
            try:
                until = now + (parse_duration(rest) if rest else timedelta(hours=1))
            except AttractorError as fault:
                show(fault.in_one_line, err=True)
                continue
            snooze(_state(invocation), row, until, now)
            show(f"snoozed until {until.astimezone():%Y-%m-%d %H:%M}")
            return ""
        said = line.strip()
        if not word or not row.choices or said in numbers or read_line(said, row.choices):
            return said
        show(f"not understood: {visible(said)}", err=True)


part = attention
