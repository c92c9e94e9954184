"""The operator's actions on runs: each is an order to a run, or a process that walks it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, Field

from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.engine.run_folder.layout import RunDirectory, is_held, read_manifest
from attractor.factory.decisions.run_end import record_end
from attractor.factory.decisions.run_locations import RunLocations
from attractor.factory.operations.evaluate import request_evaluation
from attractor.factory.operations.start import with_registered
from attractor.fleet.dispatch.orders import FleetOrders
from attractor.language.reading import open_source
from attractor.language.source.text import Source
from attractor.pipeline.garbage import Collector, Rules, Sweep
from attractor.pipeline.orders import Orders, Receipt
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import VisibleFiles, find_runnable
from attractor.pipeline.source.find import PIPELINE_ENDINGS
from attractor.pipeline.source.gallery import is_gallery_word
from attractor.pipeline.source.read import STDIN, context_of, open_pipeline, read_pipeline
from attractor.pipeline.workspace.deliver import deliver_ended_run
from attractor.records.summary import summarize
from attractor.server.access.callers import Caller
from attractor.server.fleet.connection import no_fleet
from attractor.server.processes.bodies import ResumeBody, StartBody
from attractor.server.processes.run_processes import RunCommand
from attractor.server.service import Service
from attractor.worlds.orders import continue_actor


class StartedRun(BaseModel):
    """A run that a process of its own walks."""

    id: str
    status: str = Field(description="The status of the run now, such as `booting`.")
    links: Mapping[str, str]


class RunProcess(StrEnum):
    """The process of a run after an action."""

    NONE = "none"
    LIVE = "live"
    STARTED = "started"


class ActionResult(BaseModel):
    """The result of an action on a run."""

    run_id: str
    action: str
    taken: bool = Field(description="False: the process of the run takes it from the inbox.")
    words: str = Field(description="The result in words.")
    question: str = ""
    value: str = Field(default="", description="The answer or the message, as it was understood.")
    process: RunProcess = Field(
        description="`live`: the process of the run continues. `started`: a new process continues "
        "the run. `none`: no process holds the run."
    )


def name_of(service: Service, root: Path) -> str:
    """Return the name of a run in addresses and commands: `RUN`, or `RUN:CHILD` for a child."""
    return ":".join(root.relative_to(service.project.runs_dir).parts[::2])


def links_of(run: str) -> dict[str, str]:
    """Return the addresses of a run by their purpose."""
    address = f"/pipelines/{quote(run, safe=':@')}"
    parts = ("events", "graph", "questions", "checkpoint", "context", "cancel")
    return {"self": address, **{part: f"{address}/{part}" for part in parts}}


def start_run(service: Service, body: StartBody, caller: Caller) -> StartedRun:
    """Start a run in a process of its own, after a check of its pipeline."""
    body.refuse_contradictions()
    project = service.project
    if body.on and not service.fleet.takes_runs:
        raise no_fleet()
    if body.feedback:
        body = body.model_copy(update={"feedback": name_of(service, service.root(body.feedback))})
    if body.source:
        file = service.processes.project / STDIN
        _check(Source(body.source, str(file)), body, project)
        return walk(service, body.command("-", stdin=body.source), caller)
    if body.file:
        file = find_runnable(project.root, body.file)
        _check(open_source(str(file)), body, project)
        name = body.file if is_gallery_word(body.file) else str(file)
        return walk(service, body.command(name), caller)
    versions = service.opened.pipelines.versions
    try:
        version = versions.find_usable(body.pipeline)
    except UnknownName as unknown:
        if not body.pipeline.endswith(PIPELINE_ENDINGS):
            raise
        raise UsageError(
            f"{body.pipeline} is a file, and 'pipeline' names a registered pipeline",
            hint=f'pass {{"file": {json.dumps(body.pipeline)}}}',
        ) from unknown
    file, opened = with_registered(version, service.opened)
    open_pipeline(
        str(file),
        goal=body.goal,
        inputs=body.texts(),
        project=context_of(RunScope.of(opened.project)),
    )
    return walk(service, body.command(f"{version.name}@{version.number}"), caller)


def _check(source: Source, body: StartBody, project: Project) -> None:
    """Refuse a pipeline with errors before a process starts, with all diagnostics.

    A prompt from a hidden file is an error: every reader of the run could read it.
    """
    files = VisibleFiles(Path(source.file), project.root)
    context = context_of(RunScope.of(project))
    read_pipeline(source, goal=body.goal, files=files, inputs=body.texts(), project=context)


def walk(service: Service, command: RunCommand, caller: Caller) -> StartedRun:
    """Start a process that walks a run, and return the run."""
    run = service.processes.start(command, by=caller.name)
    status = summarize(service.root(run)).status
    return StartedRun(id=run, status=status, links=links_of(run))


def orders_to(service: Service, run: str, caller: Caller) -> Orders:
    """Return the object by which a caller sends orders to a run of the server's project."""
    return orders_in(service, service.root(run), caller)


def orders_in(service: Service, root: Path, caller: Caller) -> Orders:
    """Return the object by which a caller sends orders to a run of a project."""
    opened = service.opened
    project = opened.project
    orders = Orders(
        root=root,
        by=caller.name,
        clock=project.machine.clock,
        randomness=project.machine.randomness,
        redactor=project.redactor,
        before_end=partial(record_end, opened),
        runs_dir=project.runs_dir,
        proof=caller.proof,
    )
    if RunDirectory(root).elsewhere.exists():
        return FleetOrders.of(orders, opened, service.fleet.dispatch)
    return orders


def answer_question(
    service: Service, run: str, caller: Caller, *, answer: str, question: str = "", why: str = ""
) -> ActionResult:
    """Answer a question; if no process holds the run, a new one continues it."""
    orders = orders_to(service, run, caller)
    receipt = orders.answer(answer, question=question, why=why)
    if not orders.needs_process(receipt.question):
        return _result(orders, receipt)
    if continue_actor(orders.root, service.opened):
        words = f"{receipt.words}; its actor continues the run"
        return _result(orders, receipt, words=words, process=RunProcess.STARTED)
    try:
        command = ResumeBody().command(name_of(service, orders.root))
        service.processes.start(command, by=caller.name)
    except AttractorError as error:
        # The answer is recorded, so this is no failure of the request.
        words = f"{receipt.words}, but the run does not continue yet: {error.in_one_line}"
        return _result(orders, receipt, words=words)
    words = f"{receipt.words}; a new process continues the run"
    return _result(orders, receipt, words=words, process=RunProcess.STARTED)


def pause_run(service: Service, run: str, caller: Caller, why: str) -> ActionResult:
    """Pause a run after its current stage."""
    orders = orders_to(service, run, caller)
    return _result(orders, orders.pause(why))


def steer_run(
    service: Service, run: str, caller: Caller, *, text: str, node: str, why: str
) -> ActionResult:
    """Send a message to the running agents of a run."""
    orders = orders_to(service, run, caller)
    return _result(orders, orders.steer(text, node=node, why=why))


def cancel_run(service: Service, run: str, caller: Caller, why: str) -> ActionResult:
    """Cancel a run, with or without a process."""
    orders = orders_to(service, run, caller)
    receipt = orders.cancel(why)
    if receipt.is_taken:
        asyncio.run(deliver_ended_run(orders.root, service.project))
        continue_actor(orders.root, service.opened)
    return _result(orders, receipt)


KEPT_FOR = timedelta(days=7)
"""The age up to which the files of ended runs stay, as with `attractor gc`."""


def free_runs(service: Service, runs: Sequence[str]) -> Sweep:
    """Remove the files of runs that `attractor gc` would remove."""
    project = service.project
    places = RunLocations(service.opened.ledger, project.runs_dir)
    rules = Rules(project.machine.clock.now(), KEPT_FOR)
    run_ids = [read_manifest(RunDirectory(service.root(run))).run_id for run in runs]
    collector = Collector(project, places, rules, places.run_ids)
    return asyncio.run(collector.collect_of(run_ids))


def resume_walk(service: Service, run: str, caller: Caller, body: ResumeBody) -> ActionResult:
    """Resume a paused process, or continue a stopped run in a new process."""
    orders = orders_to(service, run, caller)
    if orders.is_paused():
        return _result(orders, orders.resume())
    command = body.command(name_of(service, orders.root))
    is_in_fleet = RunDirectory(orders.root).elsewhere.exists()
    words = "continues in its pool" if is_in_fleet else "resumed"
    return _continued(service, orders.root, command, caller, words)


def evaluate_again(service: Service, run: str, caller: Caller) -> ActionResult:
    """Evaluate a run in a new process, again or for the first time."""
    root = service.root(run)
    request_evaluation(root, service.opened, by=caller.name)
    command = ResumeBody(evaluate=True).command(name_of(service, root))
    return _continued(service, root, command, caller, "a new process evaluates the run")


def _continued(
    service: Service, root: Path, command: RunCommand, caller: Caller, words: str
) -> ActionResult:
    service.processes.start(command, by=caller.name)
    return ActionResult(
        run_id=name_of(service, root),
        action=command.name,
        taken=True,
        words=words,
        process=RunProcess.STARTED,
    )


def _result(
    orders: Orders, receipt: Receipt, *, words: str = "", process: RunProcess | None = None
) -> ActionResult:
    is_live = is_held(RunDirectory(orders.root).lock)
    return ActionResult(
        run_id=receipt.run_id,
        action=receipt.action,
        taken=receipt.is_taken,
        words=words or receipt.words,
        question=receipt.question,
        value=receipt.value,
        process=process or (RunProcess.LIVE if is_live else RunProcess.NONE),
    )
