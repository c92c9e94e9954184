"""Real workers under faults: each run must end as an undisturbed one ends.

Stages take some tenths of a second, so faults meet stages, commits, claims and takeovers alike.
"""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from attractor.engine.context import ResolvedValues
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import RunState as EngineState, outcome_of
from attractor.engine.storage.artifacts import Blobs
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import plan_start, start_run
from attractor.fleet.decisions import HOLDER
from attractor.fleet.dispatch.dispatch import Dispatch, Where, copy_fence
from attractor.fleet.errors import DatabaseAway, StoreAway
from attractor.fleet.fleet import Fleet
from attractor.fleet.records import FleetRun, ReasonKind, RowState
from attractor.pipeline.orders import Orders
from attractor.records.delivery import read_delivery
from attractor.records.request import RunRequest
from tests.fleet.living import LivingFleet
from tests.fleet.runs import opened_project
from tests.patience import until
from tests.pipeline.projects import git

EDGES = "start [shape=Mdiamond]; done [shape=Msquare]"
PIPELINES = {
    "loop": f"""digraph loop {{ {EDGES}
  tick [shape=parallelogram, tool_command="sleep 0.1; echo x >> n.txt; test $(wc -l < n.txt) -ge 4"]
  start -> tick; tick -> done [condition="outcome=success"]; tick -> tick [condition="outcome=fail"]
}}""",
    "gate": f"""digraph gate {{ {EDGES}
  make [shape=parallelogram, tool_command="sleep 0.2; date +%s > /dev/null; echo made >> m.txt"]
  ask [shape=hexagon, label="Good?"]
  more [shape=parallelogram, tool_command="sleep 0.2; cat m.txt > both.txt"]
  start -> make -> ask; ask -> more [label="[Y] Yes"]; ask -> make [label="[N] No"]; more -> done
}}""",
    "branches": f"""digraph branches {{ {EDGES}
  fan [shape=component]; meet [shape=tripleoctagon, merge=all]
  a [shape=parallelogram, tool_command="sleep 0.3; echo a > a.txt"]
  b [shape=parallelogram, tool_command="sleep 0.1; echo b > b.txt"]
  b2 [shape=parallelogram, tool_command="sleep 0.1; echo b2 >> b.txt"]
  end [shape=parallelogram, tool_command="cat a.txt b.txt > all.txt"]
  start -> fan; fan -> a -> meet; fan -> b -> b2 -> meet; meet -> end -> done
}}""",
    "rounds": f"""digraph rounds {{ {EDGES}
  work [shape=parallelogram, tool_command="sleep 0.1; echo r >> r.txt; test $(wc -l < r.txt) -ge 3"]
  start -> work; work -> done [condition="outcome=success"]
  work -> work [condition="outcome=fail", loop_restart=true]
}}""",
    "child": f"""digraph child {{ {EDGES}
  before [shape=parallelogram, tool_command="sleep 0.1; echo 1 > c.txt"]
  inner [type="pipeline", file="loop.dot"]
  start -> before -> inner -> done
}}""",
}
LONGEST_S = 300.0


@dataclass(frozen=True)
class Result:
    """What counts of a run that has ended: its outcome, context, tree and the visits of nodes."""

    outcome: str
    context: Mapping[str, Any]
    tree: str
    visits: Mapping[str, int]


def result_of(root: Path) -> Result:
    """Return the result of a run, or of the last run that continues it."""
    root = last_of(root)
    state = _state(root)
    assert state.progress
    values = ResolvedValues(state.progress.context, Blobs(root))
    context = {name: _without_times(values[name]) for name in values if not _is_own(name)}
    outcome = outcome_of(state)
    visits = Counter(state.progress.completed)
    return Result(outcome.value if outcome else "", context, state.progress.tree, visits)


def last_of(root: Path) -> Path:
    """Return the directory of a run, or of the last run that continues it."""
    while restart := _state(root).restarted_as:
        root = root.parent / restart
    return root


def _state(root: Path) -> EngineState:
    directory = RunDirectory(root)
    return open_journal(directory.events, directory.checkpoint).state


def _without_times(value: Any) -> Any:
    match value:
        case dict():
            members = cast("dict[str, Any]", value)
            return {key: _without_times(one) for key, one in members.items() if key != "seconds"}
        case list():
            return [*map(_without_times, cast("list[Any]", value))]
        case _:
            return value


def _is_own(name: str) -> bool:
    """Return whether a context value differs from run to run, such as an id or a time."""
    return name.endswith(("run_id", ".duration", "_at")) or name.startswith("internal.")


@dataclass
class Chaos:
    """A fleet, its runs and the faults that befall it."""

    living: LivingFleet
    dice: random.Random
    restart_database: Callable[[], None] | None = None
    store_away_s: float = 3.0
    faults: Counter[str] = field(default_factory=Counter[str])
    frozen: dict[int, asyncio.Task[None]] = field(default_factory=dict[int, "asyncio.Task[None]"])

    def prepare(self) -> None:
        """Commit the pipelines."""
        for name, text in PIPELINES.items():
            (self.living.project / f"{name}.dot").write_text(text)
        git(self.living.project, "add", "--all")
        git(self.living.project, "commit", "--quiet", "--message", "Pipelines")

    @property
    def opened(self) -> OpenProject:
        return opened_project(self.living.project)

    def request(self, name: str) -> RunRequest:
        file = self.living.project / f"{name}.dot"
        answers = ("No", "Yes") if name == "gate" else ()
        queue = "queue" if answers else ""
        return RunRequest(
            file=file, backend="simulate", sandbox="none", interviewer=queue, answers=answers
        )

    def undisturbed(self) -> Mapping[str, Result]:
        """Run each pipeline without a fleet."""
        found: dict[str, Result] = {}
        for name in PIPELINES:
            done = asyncio.run(start_run(self.request(name), self.opened))
            found[name] = result_of(self.living.project / "runs" / done.run_id)
        return found

    @asynccontextmanager
    async def fleet(self) -> AsyncGenerator[tuple[Fleet, Dispatch]]:
        async with self.living.open() as fleet:
            yield fleet, Dispatch(self.opened, fleet.table, fleet.blobs_of, f"{HOLDER}chaos")

    async def play(self, runs: int, seconds: float, workers: int = 4) -> Mapping[str, str]:
        """Begin runs, answer their gates, and let faults happen until all have ended.

        Faults stop after some seconds. Return the pipelines by run.
        """
        for _ in range(workers):
            self.living.start_worker("--slots", "3")
        self.living.start_server()
        names = [*PIPELINES]
        begun: dict[str, str] = {}
        async with self.fleet() as (fleet, dispatch):
            end, longest = time.monotonic() + seconds, time.monotonic() + seconds + LONGEST_S
            trouble = asyncio.create_task(self._trouble(end))
            for number in range(runs):
                name = names[number % len(names)]
                request = self.request(name)
                if name == "gate":
                    request = RunRequest(file=request.file, backend="simulate", sandbox="none")
                plan = await plan_start(request, self.opened)
                await _insist(lambda plan=plan: dispatch.submit(plan, Where(pool="agents")))
                begun[plan.run_id] = name
            answered = Counter[str]()
            while open_runs := await _insist(lambda: self._open(fleet)):
                assert time.monotonic() < longest, (open_runs, self.living.logs())
                await self._answer(dispatch, open_runs, answered)
                await asyncio.sleep(0.5)
            await trouble
            for run_id in begun:
                await _insist(lambda run_id=run_id: dispatch.sync(run_id))
            # The server delivers them, once it lives.
            await until(lambda: self._are_delivered(begun), self.living.logs, LONGEST_S)
        return begun

    async def _are_delivered(self, runs: Collection[str]) -> bool:
        folder = self.living.project / "runs"
        roots = [last_of(folder / run_id) for run_id in runs]
        return all(read_delivery(RunDirectory(root)).branch for root in roots)

    async def _open(self, fleet: Fleet) -> Sequence[FleetRun]:
        states = (RowState.QUEUED, RowState.RUNNING, RowState.PARKED)
        return await fleet.table.runs(states=states)

    async def _answer(
        self, dispatch: Dispatch, runs: Sequence[FleetRun], answered: Counter[str]
    ) -> None:
        for run in runs:
            if run.state is not RowState.PARKED or run.reason is None:
                continue
            if run.reason.kind is ReasonKind.HUMAN:
                await self._give_answer(dispatch, run.run_id, answered)
            else:
                # Three workers lost in one stage, by bad luck: a person lets it go on.
                assert run.reason.kind is ReasonKind.POISON, (run, self.living.logs())
                self.faults["poison"] += 1
                async with self.fleet() as (fleet, _):
                    await fleet.table.want(run.run_id)

    async def _give_answer(self, dispatch: Dispatch, run_id: str, answered: Counter[str]) -> None:
        choice = "Yes" if answered[run_id] else "No"
        opened = self.opened
        machine = opened.project.machine
        with suppress(DatabaseAway, StoreAway):
            async with dispatch.held(run_id) as root:
                orders = Orders(
                    root=root,
                    by="chaos",
                    clock=machine.clock,
                    randomness=machine.randomness,
                    redactor=opened.project.redactor,
                    fences=copy_fence,
                )
                if orders.questions():
                    await asyncio.to_thread(orders.answer, choice)
                    answered[run_id] += 1

    async def _trouble(self, end: float) -> None:
        """Let one fault after the other happen, and in the end no more."""
        faults = [self._kill, self._kill, self._freeze, self._kill_attempt, self._take_store_away]
        faults.append(self._kill_server)
        if self.restart_database:
            faults.append(self._restart_database)
        following: list[Callable[[subprocess.Popen[str]], Awaitable[None]]] = []
        while time.monotonic() < end:
            await asyncio.sleep(self.dice.uniform(0.5, 3))
            awake = [one for one in self.living.workers if one.poll() is None]
            awake = [one for one in awake if one.pid not in self.frozen]
            if len(awake) > 2:
                # Each of them once, in some order, then again.
                following = following or self.dice.sample(faults, len(faults))
                fault = following.pop()
                await fault(self.dice.choice(awake))
                self.faults[fault.__name__] += 1
        await asyncio.gather(*self.frozen.values())

    async def _kill(self, worker: subprocess.Popen[str]) -> None:
        self.living.kill(worker)
        self.living.start_worker("--slots", "3")

    async def _kill_server(self, _: subprocess.Popen[str]) -> None:
        assert self.living.server
        self.living.kill(self.living.server)
        await asyncio.sleep(self.dice.uniform(0, 1))
        self.living.start_server()

    async def _freeze(self, worker: subprocess.Popen[str]) -> None:
        async def thaw() -> None:
            await asyncio.sleep(self.dice.uniform(3, 9))
            os.kill(worker.pid, signal.SIGCONT)
            self.frozen.pop(worker.pid, None)

        os.kill(worker.pid, signal.SIGSTOP)
        self.frozen[worker.pid] = asyncio.create_task(thaw())

    async def _kill_attempt(self, worker: subprocess.Popen[str]) -> None:
        for task in Path(f"/proc/{worker.pid}/task").glob("*/children"):
            for child in task.read_text().split():
                # Also a Git command of the worker is its child.
                with suppress(ProcessLookupError, FileNotFoundError):
                    command = Path(f"/proc/{child}/cmdline").read_bytes()
                    if b"attractor.fleet.workers.attempt" in command:
                        os.kill(int(child), signal.SIGKILL)
                        return

    async def _restart_database(self, _: subprocess.Popen[str]) -> None:
        assert self.restart_database
        # Here, not in a thread: the server ends with the thread that started it.
        self.restart_database()

    async def _take_store_away(self, _: subprocess.Popen[str]) -> None:
        store = Path(self.living.environ["ATTRACTOR_FLEET__STORE"])
        away = store.with_name("away")
        store.rename(away)
        try:
            await asyncio.sleep(self.dice.choice((0.1, 1.0)) * self.store_away_s)
        finally:
            away.rename(store)


async def _insist(work: Callable[[], Any]) -> Any:
    while True:
        try:
            return await work()
        except (DatabaseAway, StoreAway):
            await asyncio.sleep(0.5)
