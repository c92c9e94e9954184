"""Finds actors for commands, and prints them."""

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import number_of
from attractor.base.clock import SystemClock
from attractor.base.durations import format_age
from attractor.base.errors import AttractorError, ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.orders import operator_name, orders_in, proof_of
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.status import describe_plain
from attractor.cli.runs.transcripts import entry_lines, painter
from attractor.engine.outcome import format_usage_cost
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.truncation import shorten
from attractor.factory.open_project import OpenProject, open_project
from attractor.language.source.text import visible
from attractor.records.open_work import answer_command
from attractor.records.transcript import TranscriptReader, read_entry
from attractor.worlds.actors import Actor, ActorFolder, Answered, find_actor, list_actors
from attractor.worlds.messages import Message, Sender, SenderKind
from attractor.worlds.pools import is_fleet_installed, why_not_taken
from attractor.worlds.records import actor_record, message_record
from attractor.worlds.sessions import STAGE
from attractor.worlds.status import NEED_A_PERSON, ActorStatus, ActorView, read_actor, read_actors

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

_LONGEST_TASK = 48
POLL_S = 0.1


class WithArguments(click.Command):
    """A command whose words after `--` are arguments of the program that works."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before `--`, and keep the others as they are."""
        place = args.index("--") if "--" in args else len(args)
        arguments = args[place + 1 :]
        rest = super().parse_args(ctx, args[:place])
        ctx.params["arguments"] = tuple(arguments)
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the words of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGUMENTS...]"]


def describe_program(actor: Actor) -> str:
    """Return how an actor works: its program, its model and further arguments."""
    words = [f"works with {actor.backend}"]
    words += [f"model {actor.model}"] if actor.model else []
    words += [f"arguments {shlex.join(actor.arguments)}"] if actor.arguments else []
    words += [f"place {actor.place}"] if actor.place else []
    words += ["asks before its tool calls"] if actor.permissions.asks else []
    words += [f"leads others ({actor.leads})"] if actor.leads else []
    return visible(", ".join(words))


def find(invocation: Invocation, reference: str) -> tuple[ActorFolder, OpenProject]:
    """Return an actor by its name or the beginning of its name, and its project."""
    opened = opened_of(invocation)
    state = opened.project.machine.state_dir
    own = opened.identity.project_id()
    folder = find_actor(reference, list_actors(state), own)
    if folder.project.project_id != own:
        environ = {**invocation.environ, "ATTRACTOR_STATE_DIR": str(state)}
        opened = open_project(folder.project.root, environ)
    return folder, opened


def sender_of(invocation: Invocation) -> Sender:
    """Return the person who types the command, with the proof of the process."""
    # Imported here, because most commands need no token.
    from attractor.factory.operator_process import Scope

    name = operator_name(invocation, Scope.OPERATE)
    return Sender(SenderKind.PERSON, name, proof_of(invocation, name))


def canceler(
    invocation: Invocation, folder: ActorFolder, opened: OpenProject
) -> Callable[[str], object]:
    """Return the function that cancels a run of an actor that is stopped."""

    def cancel(run_id: str) -> None:
        root = opened.project.runs_dir / run_id
        orders_in(invocation, opened, root).cancel(f"actor {folder.name} stopped")

    return cancel


def describe_status(view: ActorView) -> str:
    """Return the status of an actor, as `wait --until` takes it, with its cause."""
    words = view.status.value
    if view.status is ActorStatus.WORKING and view.person:
        words = f"{words} ({visible(view.plain.reason)})"
    elif view.status is ActorStatus.WORKING and view.run and view.run.wait:
        until = view.run.wait.until
        end = f" until {until.astimezone():%H:%M}" if until else ""
        words = f"{words} ({view.plain.reason}{end})"
    elif view.status is ActorStatus.BLOCKED and view.task:
        words = f"{words}: {visible(view.task.obstacle)}"
    return f"{words}{_cause(view)}"


def _cause(view: ActorView) -> str:
    """Return the question, the reason of the failure, or the result that is behind a status."""
    run, history = view.run, view.history
    match view.status:
        case ActorStatus.ASKING if run:
            return f": {visible(shorten(run.questions[0].text, _LONGEST_TASK))}"
        case ActorStatus.FAILED if history.last:
            return f": {visible(shorten(history.last.reason, _LONGEST_TASK))}"
        case ActorStatus.REVIEW if history.unreviewed:
            return f": {number_of(history.unreviewed.changed, 'file')} changed"
        case _ if view.waiting and not view.has_process:
            return f"; {number_of(len(view.waiting), 'message')} waiting{_missing(view)}"
        case _:
            return ""


def _missing(view: ActorView) -> str:
    """Return why messages to an actor in a pool stay in its inbox, with the command; or ""."""
    why = why_not_taken(view.folder) if view.pool else ""
    return f": {why}" if why else ""


def show_where(view: ActorView) -> None:
    """Print that a message goes to a pool, and what is missing for that."""
    if view.pool:
        show(f"It goes to pool {view.pool}{_missing(view)}", err=True)


def why_in_fleet(invocation: Invocation, view: ActorView) -> str:
    """Return why the run of an actor in a pool does not work now, with the command, or ""."""
    if not view.pool or view.task is None or not is_fleet_installed():
        return ""
    # Imported here, because most actors need no fleet.
    from attractor.cli.runs.fleet import in_fleet
    from attractor.fleet.views.overview import ExplainedRun, explain

    run_id = view.task.run_id

    async def work(fleet: "Fleet") -> Sequence[ExplainedRun]:
        run = await fleet.table.run(run_id)
        return await explain(fleet, [run]) if run else ()

    try:
        found = in_fleet(invocation, work)
    except AttractorError as fault:
        return fault.in_one_line
    return "".join(f"{one.words}: {one.command}" for one in found if one.reason)


def read_unarchived(folders: Iterable[ActorFolder]) -> list[ActorView]:
    """Return actors that are not archived; report those that cannot be read."""
    views = read_actors(folders, partial(show, err=True))
    return [view for view in views if view.status is not ActorStatus.ARCHIVED]


def actor_table(views: Sequence[ActorView], projects: Mapping[str, str]) -> list[str]:
    """Return the lines of a list of actors; `projects` are the names of their projects by id."""
    now = SystemClock().now()
    rows = [("actor", *(["project"] if projects else []), "age", "status", "cost", "works on")]
    for view in views:
        names = [visible(projects[view.folder.project.project_id])] if projects else []
        goal = view.task.message.text if view.task else ""
        place = view.history.actor.place
        if not goal and view.history.last:
            goal = view.history.last.message.text
        rows.append(
            (
                visible(f"{view.name} in {place}" if place else view.name),
                *names,
                format_age(now - view.since),
                f"{describe_plain(view.plain)}{_cause(view)}",
                format_usage_cost(view.usage),
                visible(shorten(goal, _LONGEST_TASK)),
            )
        )
    return table(rows)


def answered_lines(one: Answered) -> list[str]:
    """Return an answer for people: last words, then what was changed."""
    return [*([one.words] if one.words else []), one.result]


def code_of(status: ActorStatus) -> ExitCode:
    """Return the exit status for an actor that does not work, as for a run."""
    match status:
        case ActorStatus.FAILED | ActorStatus.STOPPED:
            return ExitCode.FAILED
        case status if status in (*NEED_A_PERSON, ActorStatus.WORKING):
            return ExitCode.UNFINISHED
        case _:
            return ExitCode.DONE


class ActorFollower:
    """Prints what an actor says, from now on, as its runs go on."""

    def __init__(self, invocation: Invocation, folder: ActorFolder) -> None:
        self._folder = folder
        self._color = (invocation.color and sys.stdout.isatty()) or None
        self._paint = painter(bool(self._color))
        self._run_id = ""
        self._reader: TranscriptReader | None = None

    def show_more(self, view: ActorView) -> None:
        """Print the new lines of the run in work; the rest of a run that ended comes first."""
        run_id = view.task.run_id if view.task and view.run else ""
        if run_id != self._run_id:
            self._show_rest()
            self._run_id = run_id
            stage = RunDirectory(self._folder.project.runs_dir / run_id).stage(STAGE)
            self._reader = TranscriptReader(stage) if run_id else None
            if view.task and run_id:
                show(f"task: {visible(view.task.message.text)} (run {run_id})", err=True)
        self._show_rest()

    def _show_rest(self) -> None:
        for record in self._reader.more() if self._reader else ():
            if entry := read_entry(record):
                show("\n".join(entry_lines(entry, self._paint)), err=True, color=self._color)


def wait_for_answer(
    folder: ActorFolder, message: Message, look: Callable[[ActorView], None]
) -> Answered | ActorView:
    """Return the answer to a message, or the actor if it waits for a person instead."""
    while True:
        view = read_actor(folder)
        look(view)
        for one in view.history.answers:
            if one.message.id == message.id:
                return one
        if view.status in (*NEED_A_PERSON, ActorStatus.STOPPED):
            return view
        time.sleep(POLL_S)


def show_answer(invocation: Invocation, found: Answered | ActorView, *, as_json: bool) -> ExitCode:
    """Print the answer to a message, or why there is no answer yet."""
    if isinstance(found, ActorView):
        if as_json:
            show_json(actor_record(found), is_line=True)
        else:
            command = answer_command(found.run.run_id, "CHOICE") if found.run else ""
            words = describe_status(found)
            show(f"{found.name} is {words}{f': {command}' if command else ''}", err=True)
        return code_of(found.status)
    if as_json:
        show_json(message_record(found), is_line=True)
    else:
        *words, end = answered_lines(found)
        for line in words:
            show(line)
        show(end, err=True)
    return ExitCode.DONE if found.succeeded else ExitCode.FAILED
