"""Take a draft of an agent into a suite."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, Refused, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_result
from attractor.cli.runs.setup import opened_of, sandbox_option
from attractor.factory.registration.drafts import DraftedPart, SuiteDraft, drafts_folder, open_draft
from attractor.factory.registration.taking import part_named, skip, take, waiting
from attractor.language.source.text import visible
from attractor.records.lookup import find_run

_TAKE, _SKIP, _QUIT = "take", "skip", "quit"


@click.command("take")
@click.argument("run", metavar="RUN")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("ids", nargs=-1, metavar="[DRAFT]")
@sandbox_option("Play trials")
@json_option
@click.pass_obj
def take_draft(
    invocation: Invocation,
    run: str,
    folder: Path,
    ids: tuple[str, ...],
    sandbox: str,
    as_json: bool,
) -> ExitCode:
    """Take a draft of an agent into a suite, with the sentences that it proves.

    RUN is a run of 'attractor suite draft', FOLDER the source of the suite. Without DRAFT, a
    terminal shows one draft after the other beside its sentences and asks; otherwise the drafts
    that wait are listed. A draft with a fault is not taken, and several are not taken at once: only
    a person knows whether a scenario says what its sentence means.
    """
    if len(ids) > 1:
        raise UsageError("drafts are taken one after the other", hint="name one of them")
    opened = opened_of(invocation)
    opened.refuse_in_run("'attractor suite take'")
    root = find_run(run, drafts_folder(opened))
    draft = asyncio.run(open_draft(root, opened, sandbox=sandbox))
    if ids:
        taken = take(draft, part_named(draft, ids[0]), folder)
        words = [f"wrote {file}" for file in taken.files]
        record = {
            "folder": str(folder),
            "files": [str(file) for file in taken.files],
            "was_taken": taken.was_taken,
        }
        return show_result(record, *words, as_json=as_json)
    if invocation.has_terminal and not as_json:
        return _ask(draft, folder)
    parts = waiting(draft, folder)
    lines = [line for one in parts for line in _lines(one, has_text=False)]
    last = f"next: attractor suite take {run} {folder} DRAFT" if parts else "no draft waits"
    return show_result([one.to_record() for one in parts], *lines, last, as_json=as_json)


def _ask(draft: SuiteDraft, folder: Path) -> ExitCode:
    """Show the drafts that wait one after the other, and take those that a person wants."""
    parts = waiting(draft, folder)
    for number, one in enumerate(parts, 1):
        lines = [*wrapped(_lines(one, has_text=True), get_terminal_size().columns)]
        show("\n".join(["", f"{number} of {len(parts)}", *lines]))
        if one.faults:
            continue
        choice = click.Choice([_TAKE, _SKIP, _QUIT])
        answer = click.prompt("Take it?", type=choice, default=_SKIP, err=True)
        if answer == _QUIT:
            break
        if answer == _TAKE:
            try:
                show("\n".join(f"wrote {file}" for file in take(draft, one, folder).files))
            except (Refused, UsageError) as refusal:
                show(f"{refusal.message} ({refusal.hint})", err=True)
        else:
            skip(draft, one)
    left = len(waiting(draft, folder))
    show(f"{number_of(left, 'draft')} left; next: attractor suite register {folder}")
    return ExitCode.DONE


def wrapped(lines: Iterable[str], width: int) -> Iterator[str]:
    """Yield lines that fit into a terminal; the rest of a line begins below its first word."""
    for line in lines:
        begin = "  | " if line.startswith("  | ") else line[: len(line) - len(line.lstrip())]
        yield from wrap(
            line.removeprefix(begin),
            max(width, 20),
            initial_indent=begin,
            subsequent_indent=f"{begin}  ",
            break_on_hyphens=False,
            replace_whitespace=False,
        ) or [line]


def _lines(part: DraftedPart, *, has_text: bool) -> Iterator[str]:
    yield visible(f"{part.id}: {part.title}" if part.title else part.id)
    for one in part.sentences:
        yield visible(f"  {one.at}: “{one.sentence}”" if one.at else f"  “{one.sentence}”")
    if has_text:
        yield from (f"  | {visible(line)}" for line in part.text.splitlines())
    yield from (f"  fault: {visible(one)}" for one in part.faults)


part = take_draft
