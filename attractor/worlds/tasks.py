"""A message becomes the task of an actor, its run, and its answer."""

import asyncio
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from attractor.base.errors import VerificationError, words_of
from attractor.engine.budgets import Budgets
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.outcome import format_usage_cost
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.engine.truncation import shorten
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import DueRun
from attractor.factory.operations.start import plan_start
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffstat import read_diffstat
from attractor.records.lookup import is_run
from attractor.records.request import ActorTask, ContinuedRun, RunRequest
from attractor.workspaces.create.registry import workspace_registry
from attractor.worlds.actors import ActorFolder, ActorHistory, Answered, list_actors
from attractor.worlds.commits import COMMIT_NOTE, commit_task, worktree_of
from attractor.worlds.holds import beginning, hold_of
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import (
    Message,
    MessageKind,
    Sender,
    SenderKind,
    TaskAtWork,
    Trail,
    find_next_step,
)
from attractor.worlds.sessions import (
    FILE,
    STAGE,
    continue_session,
    keep_model,
    pipeline_text,
    read_answer,
    read_session,
)
from attractor.worlds.slots import let_begin, tell
from attractor.worlds.started import usd_for_others
from attractor.worlds.status import read_actor

_LONGEST_WORDS = 4000
_MOST_FILES = 10


def due_run(
    task: TaskAtWork, folder: ActorFolder, history: ActorHistory, opened: OpenProject
) -> DueRun:
    """Return the run of a task. A stopped actor begins none."""

    def withdrawn() -> str:
        return "the actor was stopped" if folder.read().stopped else ""

    def begun() -> None:
        if task.obstacle:
            folder.write_task(replace(task, obstacle="", tries_again=False))

    return DueRun(task.run_id, partial(_plan, task, history, opened), withdrawn, begun)


async def _plan(task: TaskAtWork, history: ActorHistory, opened: OpenProject) -> RunPlan:
    request, ready = prepare_run(task.message, history, opened)
    return await plan_start(request, ready, run_id=task.run_id)


def note_obstacle(
    fault: Exception, task: TaskAtWork, folder: ActorFolder, opened: OpenProject
) -> str:
    """Record why a task cannot begin or go on now, and return it."""
    words = opened.project.redactor.text(words_of(fault))
    folder.write_task(replace(task, obstacle=words, tries_again=False))
    return words


def take_next(folder: ActorFolder, history: ActorHistory, opened: OpenProject) -> TaskAtWork | None:
    """Return the task in work, or else take the oldest message; None if none may be taken now.

    First end what a killed process left. The caller holds the lock of the actor.
    """
    inbox = Inbox(folder.inbox)
    step = find_next_step(inbox.waiting(), folder.read_task(), history.answered_ids)
    for message in step.settled:
        inbox.remove(message)
    if step.settled and step.at_work is None:
        folder.remove_task()
    if step.at_work or step.message is None:
        return step.at_work
    machine = opened.project.machine
    # Of several actors that are let go on, one begins.
    with beginning(folder, machine.state_dir):
        if hold_of(folder, opened):
            return None
        task = TaskAtWork(step.message, machine.new_run_id())
        folder.write_task(task)
        return task


def prepare_run(
    message: Message, history: ActorHistory, opened: OpenProject
) -> tuple[RunRequest, OpenProject]:
    """Return the request of the run for a message, and the project in which it begins."""
    request = _request(message, history, opened.project)
    project = replace(opened.project, suite="")
    if not history.actor.pipeline:
        actor = history.actor
        is_committed = worktree_of(actor.workspace, actor.dimension, opened) is not None
        note, limit = (COMMIT_NOTE if is_committed else ""), "7d" if request.person else ""
        text = pipeline_text(actor.agent, note, limit)
        project = project.with_texts({str(request.file): text})
    return request, OpenProject(project)


def _request(message: Message, history: ActorHistory, project: Project) -> RunRequest:
    actor = history.actor
    aside = usd_for_others(history, OpenProject(project))
    own = None if actor.life_usd is None else actor.life_usd - aside
    left = None if own is None else max(0, own - history.usage.cost_usd)
    request = RunRequest(
        file=Path(actor.pipeline) if actor.pipeline else project.root / FILE,
        goal=message.goal,
        backend=actor.backend,
        model=actor.model,
        provider=actor.provider,
        workspace=actor.workspace,
        folder=actor.folder,
        dimension=actor.dimension,
        sandbox=actor.sandbox,
        place=actor.place,
        budgets=Budgets(cost_usd=left),
        evaluate=False,
        task=ActorTask(actor.name, message.id, message.hash, str(message.sender), actor.arguments),
        person=str(message.sender) if message.kind is MessageKind.TERMINAL else "",
        permissions=history.permissions if history.actor.permissions.asks else None,
    )
    before = history.before
    if workspace_registry()[request.workspace].is_apart:
        request = replace(request, builds_on=before)
    directory = RunDirectory(project.runs_dir / before)
    if not before or not is_run(directory):
        return request
    if actor.pipeline:
        head = open_journal(directory.events, directory.checkpoint).head
        return replace(request, continues=ContinuedRun(before, head.seq, head.hash))
    session = read_session(directory.root)
    request = keep_model(request, session)
    return continue_session(request, session, project.runs_dir, tell=tell)


def answer_of(message: Message, result: RunResult, opened: OpenProject) -> Answered:
    """Return the answer to a message whose run has ended."""
    project = opened.project
    stat = asyncio.run(read_diffstat(project, result.run_id, result.tree))
    others = stat.by_others if stat else ()
    files = [one.path for one in stat.files if one.path not in others] if stat else []
    directory = RunDirectory(result.directory)
    # The last stage of a pipeline that said something; an agent has only one stage.
    said = (read_answer(directory.stage(node)) for node in (*result.completed[::-1], STAGE))
    words = next(filter(None, said), "")
    succeeded = bool(result.outcome and result.outcome.is_success)
    commit, why_not = commit_task(message, result, words, opened) if files else ("", "")
    return Answered(
        message=message,
        run_id=result.run_id,
        succeeded=succeeded,
        reason="" if succeeded else result.reason,
        words=project.redactor.text(shorten(words, _LONGEST_WORDS)),
        changed=len(files),
        files=files[:_MOST_FILES],
        cost_usd=result.usage.cost_usd,
        at=opened.now(),
        unpriced_tokens=result.usage.unpriced_tokens,
        by_others=others[:_MOST_FILES],
        commit=commit,
        why_not_committed=why_not,
        rules=open_journal(directory.events, directory.checkpoint).state.call_rules,
    )


def refusal(message: Message, reason: str, *, now: datetime) -> Answered:
    """Return the answer to a message for which no run began."""
    return Answered(message, "", False, reason, "", 0, (), 0.0, now)


def settle(answered: Answered, folder: ActorFolder, opened: OpenProject) -> None:
    """Send an answer to the actor that gave the task, record it, and remove the message."""
    _send_result(answered, folder, opened)
    folder.record(answered)
    Inbox(folder.inbox).remove(answered.message)
    folder.remove_task()


def _send_result(answered: Answered, folder: ActorFolder, opened: OpenProject) -> None:
    """Send an answer to the actor that gave the task, once; a person reads `attention`.

    What an actor says to the answers of others belongs to the actor that started it, too.
    """
    asked = _asked_by_actor(answered.message, folder)
    if asked is None:
        return
    try:
        sender = _sender_of(asked, folder, opened)
        if sender is None or sender.read().archived:
            tell(f"The sender of message {asked.id} is gone: {asked.sender.name}")
            return
        result = Trail(f"{answered.message.id}-result", max(0, asked.hops - 1))
        inbox = Inbox(sender.inbox)
        sent = [*inbox.waiting(), *(one.message for one in sender.read().answers)]
        if not any(one.id == result.id for one in sent):
            result = replace(result, steps=answered.message.steps + 1)
            _write_result(answered, asked, result, inbox, folder, opened)
        # Also after a result that was sent before: a killed process sent it and started nothing.
        if read_actor(sender).can_begin:
            let_begin(sender, opened)
    except VerificationError as damaged:
        tell(f"The sender of message {asked.id} gets no answer: {damaged.in_one_line}")


def _asked_by_actor(message: Message, folder: ActorFolder) -> Message | None:
    """Return the task of another actor to which the answer of a message belongs."""
    if message.kind is MessageKind.TASK and message.sender.kind is SenderKind.ACTOR:
        return message
    if message.kind is not MessageKind.RESULT or not message.hops:
        return None
    history = folder.read()
    spawner = history.actor.spawner
    earlier = (one.message for one in reversed(history.answers))
    tasks = (one for one in earlier if one.kind is MessageKind.TASK)
    return next((one for one in tasks if one.sender.is_actor(spawner.name)), None)


def _sender_of(message: Message, folder: ActorFolder, opened: OpenProject) -> ActorFolder | None:
    """Return the actor that sent a message.

    The run that it names tells projects of one name apart.
    """
    name = message.sender.name
    if "/" not in name:
        return ActorFolder(folder.root.with_name(name), folder.project)
    run_id = message.sender.proof.removeprefix("run ")
    for other in list_actors(opened.project.machine.state_dir):
        if other.qualified_name == name and is_run(RunDirectory(other.project.runs_dir / run_id)):
            return other
    return None


def _write_result(
    answered: Answered,
    asked: Message,
    trail: Trail,
    inbox: Inbox,
    folder: ActorFolder,
    opened: OpenProject,
) -> None:
    ended = "succeeded" if answered.succeeded else f"failed: {answered.reason}"
    changed = ", ".join(answered.files) or "no files"
    cost = format_usage_cost(answered.usage)
    machine = opened.project.machine
    inbox.send(
        f"{ended}\nchanged: {changed}\ncost: {cost}\n\n{answered.words}",
        Sender(SenderKind.HARNESS, f"of the actor {folder.name}"),
        clock=machine.clock,
        randomness=machine.randomness,
        kind=MessageKind.RESULT,
        about=asked.id,
        trail=trail,
    )
