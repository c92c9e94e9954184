"""Approved runs that wait to land on a branch."""

import asyncio
import os
import subprocess
from collections.abc import Sequence

from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import Decision, DecisionKind
from attractor.factory.operations.decide import decide_run
from attractor.factory.operations.queue import QueueMove, process_queue, queue_run
from attractor.factory.promotion_queue import PromotionQueue, PromotionQueues
from tests.factory.flows import ANN, REASON, Flow
from tests.pipeline.projects import LINEAR, git
from tests.prepared import Process, begin_prepared, plain


def approved(flow: Flow, name: str, *, shares: bool = False) -> RunResult:
    """Return an approved run that makes a file of its own, and maybe one that others make too."""
    made = f"echo made > made.txt; echo {name} > {name}.txt"
    made += f"; echo {name} > shared.txt" if shares else ""
    (flow.project / "pipeline.dot").write_text(LINEAR.replace("echo made > made.txt", made))
    run = flow.launch(goal=name)
    git(flow.project, "checkout", "--quiet", "pipeline.dot")
    approve(flow, run.run_id)
    return run


def approve(flow: Flow, run_id: str) -> None:
    decision = Decision(DecisionKind.APPROVED, ANN, REASON)
    decide_run(flow.runs_dir / run_id, flow.opened, decision)


def enqueue(flow: Flow, *runs: RunResult) -> PromotionQueue:
    for run in runs:
        asyncio.run(queue_run(run.directory, flow.opened, branch="main", by="ann"))
    return queue_of(flow)


def queue_of(flow: Flow) -> PromotionQueue:
    return PromotionQueues.of(flow.opened).read("main")


def process(flow: Flow) -> Sequence[QueueMove]:
    """Promote the runs of the queue in this process, until a person is needed."""

    async def collect() -> Sequence[QueueMove]:
        return [move async for move in process_queue(flow.opened, "main")]

    return asyncio.run(collect())


def variables(flow: Flow) -> dict[str, str]:
    """Return the environment of commands of the project."""
    return {
        **flow.machine.environ,
        "PATH": os.environ["PATH"],
        "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir),
        "ATTRACTOR_WORKSPACES_DIR": str(flow.opened.project.workspaces_dir),
    }


def begin(flow: Flow, *words: str, stdout: int = subprocess.DEVNULL) -> Process:
    """Start a command of the project as a process."""
    environ = plain(variables(flow))
    return begin_prepared(
        words, folder=flow.project, variables=environ, stdout=stdout, stderr=stdout
    )


def subjects(flow: Flow) -> Sequence[str]:
    return git(flow.project, "log", "--reverse", "--format=%s", "main").splitlines()
