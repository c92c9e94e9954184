"""Work with an actor yourself, in the terminal of its program."""

import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show
from attractor.cli.runs.actors import answered_lines, find, sender_of
from attractor.cli.runs.observers import TranscriptPrinter
from attractor.environments.terminal import PersonTerminal
from attractor.factory.open_project import OpenProject
from attractor.worlds.sessions import STAGE
from attractor.worlds.takeover import take_over


@click.command()
@click.argument("name", metavar="ACTOR")
@click.option("--interrupt", is_flag=True, help="Let a task in work end its turn first.")
@click.pass_obj
def actor_open(invocation: Invocation, name: str, interrupt: bool) -> ExitCode:
    """Work with an actor in the terminal of its program, in its conversation and its sandbox.

    With the built-in agent, you type what it should do: Ctrl-C ends its turn, /exit the work.
    Messages wait until the terminal closes; then the next one continues the same conversation.
    What you said and changed is the run of the actor. A closed window ends the program, as its own
    command for that does.
    """
    folder, opened = find(invocation, name)
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "standard input and output are no terminal, in which you could work",
            hint=f'give the actor a task: attractor actor prompt {folder.name} "TEXT"',
        )
    project, printer = opened.project, None
    console = project.console
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    terminal = PersonTerminal(keys, screen, console.subscriptions.catch_up)
    console = replace(console, terminal=terminal, interviewer="console")
    if folder.read().actor.backend == "agent":
        # A program shows itself what it says.
        is_colored = invocation.color
        printer = TranscriptPrinter(project.runs_dir, STAGE, is_live=False, is_colored=is_colored)
        console = replace(console, observer=printer)
    shown = OpenProject(replace(project, console=console))
    answered = take_over(
        folder, sender_of(invocation), shown, partial(show, err=True), interrupts=interrupt
    )
    if printer:
        printer.end()
    # The window may be closed.
    with suppress(OSError):
        show(answered_lines(answered)[-1], err=True)
    return ExitCode.DONE if answered.succeeded else ExitCode.FAILED


part = actor_open
