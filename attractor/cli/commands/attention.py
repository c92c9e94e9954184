"""List what needs a person, over all projects; answer it."""

import sys
import time
from collections.abc import Sequence
from datetime import timedelta

import click

from attractor.base.clock import SystemClock
from attractor.base.durations import format_age, parse_duration
from attractor.base.errors import AttractorError, ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.actors import answered_lines, sender_of
from attractor.cli.runs.orders import operator_name, orders_in
from attractor.engine.outcome import format_usage_cost
from attractor.engine.truncation import shorten
from attractor.factory.open_project import OpenProject, open_project
from attractor.interviewers.prompts import shown_prompt, shown_question
from attractor.language.source.text import visible
from attractor.records.evidence import words_before
from attractor.worlds.attention import (
    Attention,
    AttentionRow,
    Need,
    mark_rows_seen,
    read_attention,
    settle_draft,
    settle_held,
    snooze,
)
from attractor.worlds.orders import continue_actor, go_on, leave, mark_seen, send, start_over

_LONGEST_REASON = 60
_PAUSE_S = 0.5
_NOTHING = "Nothing needs you."


@click.command()
@click.argument("next_", metavar="[next]", required=False, type=click.Choice(["next"]))
@click.option("--watch", is_flag=True, help="List again after each change, until Ctrl-C.")
@json_option
@click.pass_obj
def attention(invocation: Invocation, next_: str | None, watch: bool, as_json: bool) -> ExitCode:
    """List what needs a person in all projects of the state folder, the oldest first.

    These are questions and decisions of runs, runs that a limit stopped, actors that failed,
    answered, or lost their process, plans of growth, drafted desires, apps that went down, stuck
    queues of promotions, runs that one gave back, pull requests that wait for you here, and
    automations that could start no run. Failed tasks of one cause are one row. Each row has the
    command that settles it; what is settled anywhere is gone here. If something cannot be read, the
    exit status is 3.
    'attractor attention next' shows one after the other, and takes the answer. With --json, it
    prints the first row, or null, and takes none.
    """
    if next_ and not as_json:
        return _answer_all(invocation)
    shown: object = None
    while True:
        found = _read(invocation)
        # A change of the age alone is no change.
        if (now := [row.to_record() for row in found.rows]) != shown:
            shown = now
            if as_json:
                show_json(next(iter(now), None) if next_ else now, is_line=watch)
            else:
                show("\n".join(_lines(found)))
        if not watch:
            return ExitCode.UNFINISHED if found.troubles else ExitCode.DONE
        time.sleep(_PAUSE_S)


def _read(invocation: Invocation) -> Attention:
    state = invocation.configuration.settings.state_dir
    found = read_attention(state, SystemClock().now(), invocation.environ)
    for trouble in found.troubles:
        show(visible(trouble), err=True)
    return found


def _lines(found: Attention) -> list[str]:
    snoozed = [f"{found.snoozed} snoozed."] if found.snoozed else []
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
                visible(row.name),
                row.need.value,
                format_usage_cost(row.usage),
                visible(shorten(first, _LONGEST_REASON)),
            )
        )
    heading, *lines = table(rows)
    parts = [
        [line, f"  {row.command}", *(f"  {visible(one.command)}" for one in row.rows)]
        for line, row in zip(lines, found.rows, strict=True)
    ]
    return [heading, *(line for part in parts for line in part), *snoozed]


class _Quit(Exception):
    """The person has enough."""


def _answer_all(invocation: Invocation) -> ExitCode:
    """Show one row after the other, and take an answer to each."""
    passed: set[str] = set()
    while True:
        rows = [row for row in _read(invocation).rows if row.id not in passed]
        if not rows:
            show(_NOTHING if not passed else "Nothing else needs you.")
            return ExitCode.DONE
        row = rows[0]
        try:
            _answer(invocation, row)
        except _Quit:
            return ExitCode.DONE
        except AttractorError as fault:
            # Such as an answer that another person gave meanwhile.
            show(f"{fault.message} ({fault.hint})" if fault.hint else fault.message, err=True)
        passed.add(row.id)


def _answer(invocation: Invocation, row: AttentionRow) -> None:
    now = SystemClock().now()
    opened = open_project(
        row.project.root,
        {**invocation.environ, "ATTRACTOR_STATE_DIR": str(_state(invocation))},
    )
    age = format_age(now - row.since)
    show(f"\n{visible(row.name)} ({visible(row.project.root.name)}, {age}): {row.need.value}")
    match row.need:
        case _ if row.rows:
            _answer_group(invocation, opened, row)
        case Need.QUESTION:
            _answer_questions(invocation, opened, row)
        case (
            Need.DECISION
            | Need.LIMIT
            | Need.PLAN
            | Need.APP
            | Need.FLEET
            | Need.QUEUE
            | Need.AUTOMATION
        ):
            show(f"  {visible(row.reason)}\n  {row.command}")
            _prompt(invocation, row, "Enter: next", [])
        case Need.INTERRUPTED | Need.BLOCKED:
            _answer_interrupted(invocation, opened, row)
        case Need.HELD:
            show(f"  {visible(row.reason)}")
            words = "go on: begin one; leave: answer them as not begun (Enter: later)"
            if said := _prompt(invocation, row, words, ["go on", "leave"]):
                settle_held(row, said, sender_of(invocation), opened)
        case Need.DRAFT:
            _answer_draft(invocation, opened, row)
        case _:
            _answer_answered(invocation, opened, row)


def _state(invocation: Invocation) -> object:
    return invocation.configuration.settings.state_dir


def _prompt(invocation: Invocation, row: AttentionRow, words: str, known: Sequence[str]) -> str:
    """Return the line that a person types; `snooze TIME`, `q` and Enter are taken here."""
    while True:
        show(f"{words}; snooze 1h; q: quit", err=True)
        line = sys.stdin.readline() if sys.stdin else ""
        if not line or line.strip() == "q":
            raise _Quit
        word, _, rest = line.strip().partition(" ")
        if word == "snooze":
            now = SystemClock().now()
            until = now + (parse_duration(rest) if rest else timedelta(hours=1))
            snooze(invocation.configuration.settings.state_dir, row, until, now)
            show(f"snoozed until {until.astimezone():%Y-%m-%d %H:%M}")
            return ""
        if not known or not word or line.strip() in known:
            return line.strip()
        show(f"not understood: {visible(line.strip())}", err=True)


def _answer_questions(invocation: Invocation, opened: OpenProject, row: AttentionRow) -> None:
    orders = orders_in(invocation, opened, opened.project.runs_dir / row.run_id)
    for question in row.questions:
        for words in words_before(orders.root, question):
            lines = "\n".join(f"  | {line}" for line in words.lines)
            show(f"  {words.attempt}: {words.outcome}\n{lines}")
        show(shown_question(question).rstrip("\n"))
        said = _prompt(invocation, row, f"{shown_prompt(question).strip()} (Enter: later)", [])
        if not said:
            return
        receipt = orders.answer(said, question=question.id)
        show(receipt.words)
    if not continue_actor(orders.root, opened) and orders.needs_process(""):
        show(f"continue with: attractor resume {row.run_id}")


def _answer_interrupted(invocation: Invocation, opened: OpenProject, row: AttentionRow) -> None:
    assert row.actor
    show(f"  {visible(row.reason)}")
    again = "try again" if row.need is Need.BLOCKED else "go on"
    choices = [again, "start over", "leave"]
    said = _prompt(invocation, row, f"{again}, start over or leave (Enter: later)", choices)
    folder, by = row.actor.folder, sender_of(invocation)

    def cancel(run_id: str) -> None:
        orders_in(invocation, opened, opened.project.runs_dir / run_id).cancel(said)

    match said:
        case "go on" | "try again":
            go_on(folder, by, opened)
            show(f"{folder.name} {'goes on' if said == 'go on' else 'tries again'}")
        case "start over":
            start_over(folder, by, opened, cancel)
            show(f"{folder.name} starts over, in a new conversation")
        case "leave":
            leave(folder, by, opened, cancel)
            show(f"{folder.name} leaves it")
        case _:
            pass


def _answer_draft(invocation: Invocation, opened: OpenProject, row: AttentionRow) -> None:
    show(f"  {visible(row.reason)}")
    words = "accept: make it a desire; dismiss REASON (Enter: later)"
    said = _prompt(invocation, row, words, [])
    choice, _, reason = said.partition(" ")
    if choice in ("accept", "dismiss"):
        next_ = settle_draft(row, choice, operator_name(invocation), opened, reason)
        show(f"next: {next_}" if next_ else f"dismissed {row.name}")
    elif said:
        show(f"not understood: {visible(said)}", err=True)


def _answer_group(invocation: Invocation, opened: OpenProject, row: AttentionRow) -> None:
    """Take answers to failed tasks of one cause: to one task after the other, or to all."""
    show(f"  {visible(row.reason)}")
    left = [*row.rows]
    while left:
        for number, one in enumerate(left, 1):
            first = one.reason.strip().partition("\n")[0]
            show(f"  {number}. {visible(one.name)}: {visible(shorten(first, _LONGEST_REASON))}")
        numbers = [str(number) for number in range(1, len(left) + 1)]
        words = "seen: mark all; a number: answer that task alone (Enter: later)"
        said = _prompt(invocation, row, words, ["seen", *numbers])
        if not said:
            return
        if said == "seen":
            mark_rows_seen(left, sender_of(invocation), opened)
            return
        _answer_answered(invocation, opened, left.pop(int(said) - 1))


def _answer_answered(invocation: Invocation, opened: OpenProject, row: AttentionRow) -> None:
    assert row.actor
    last = row.actor.history.last
    assert last
    lines = [line for part in answered_lines(last) for line in part.splitlines()]
    show("\n".join([f"  task: {visible(last.message.text)}", *(f"  {line}" for line in lines)]))
    said = _prompt(invocation, row, "seen, or the next task (Enter: later)", [])
    folder, by = row.actor.folder, sender_of(invocation)
    if said:
        mark_seen(folder, by, opened)
    if said and said != "seen":
        message = send(folder, said, by, opened)
        show(f"taken: message {message.id}")


part = attention
