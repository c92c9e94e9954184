"""One night of a mission in virtual time: the real decisions, ledger, trees and merges.

Only the runs are a model: they are right, wrong, empty, foreign, endless, lost or late by chance of
a seed. The process of the mission is killed between lines. `python -m tests.missions.simulation
SEED` prints the journal of a night.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from attractor.base.dataclasses import dataclass
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import DueRun, carry_out
from attractor.factory.project import ProjectFolder
from attractor.missions.landing import MadeWork, NotMerged, candidate_of, merge_into
from attractor.missions.orders import Facts, Order, RunNow
from attractor.missions.plan import find_faults
from attractor.missions.process import work
from attractor.missions.records import (
    Accepted,
    Begun,
    Ended,
    History,
    Line,
    Mission,
    MissionFolder,
    Planned,
    PlannedTask,
    Role,
    Said,
    Word,
)
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.workspaces.git.object_store import Author, ObjectStore, bring_commit, write_commit
from attractor.workspaces.git.objects import FILE, TreeEntry, write_tree
from attractor.workspaces.git.repository import Repository, open_repository
from tests.pipeline.projects import git

NIGHT = datetime(2026, 12, 1, 20, tzinfo=UTC)
PATH = "/usr/bin:/bin"
MOST_STEPS = 3000
MOST_PEOPLE = 40


class Killed(Exception):
    """The process of the mission was killed."""


class Stalled(Exception):
    """Nothing works, nobody is asked, and the mission has not ended."""


@dataclass
class RunModel:
    """A run of the model: when it ends, how, and the tree that it made."""

    ends: datetime
    kind: str
    tree: str = ""


@dataclass(frozen=True)
class ModelPlace:
    """The `DuePlace` of a night: each run that began is a folder, with a line for each start."""

    opened: OpenProject
    folder: Path

    async def find(self, run_id: str) -> Path | None:
        root = self.folder / run_id
        return root if root.exists() else None

    async def begin(self, due: DueRun) -> None:
        (self.folder / due.run_id).mkdir()
        await self.go_on(self.folder / due.run_id, due)

    async def go_on(self, root: Path, due: DueRun) -> None:
        with (root / "starts").open("a") as file:
            file.write("started\n")
        due.begun()

    def starts(self, run_id: str) -> int:
        return len((self.folder / run_id / "starts").read_text().splitlines())


async def no_plan() -> RunPlan:
    raise AssertionError("a run of the model has no plan")


@dataclass
class SimulatedPlace:
    """The `MissionPlace` of a night: runs in virtual time, and a real repository."""

    random: Random
    repository: Repository
    store: ObjectStore
    ledger: Ledger
    plan: list[PlannedTask]
    due: ModelPlace
    now: datetime = NIGHT
    runs: dict[str, RunModel] = field(default_factory=dict[str, RunModel])
    numbers: int = 0
    attempts: int = 4
    nonsense: int = 0
    down: tuple[datetime, datetime] = (NIGHT, NIGHT)
    story: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What the workers of each task do, instead of what chance says."""

    def facts(self, history: History) -> Facts:
        branch = asyncio.run(self.repository.ref(f"refs/heads/{history.mission.branch}"))
        runs = {one.run_id: self._look(one.run_id) for one in history.open_runs}
        return Facts(self.now, runs, branch, self.attempts if history.mission.suite else 0)

    def _look(self, run_id: str) -> RunNow:
        model = self.runs.get(run_id)
        if model is None or (model.kind == "lost" and self.due.starts(run_id) == 1):
            return RunNow.GONE
        return RunNow.ENDED if self.now >= model.ends else RunNow.WORKING

    def new_run_id(self) -> str:
        self.numbers += 1
        return f"run{self.numbers:04}"

    def start(self, begun: Begun) -> None:
        """Begin a run, once: a second start continues it."""
        asyncio.run(carry_out(DueRun(begun.run_id, no_plan), self.due))
        if begun.run_id not in self.runs:
            kind = self._kind(begun)
            minutes = (
                90 if kind == "endless" else 1 if kind == "down" else self.random.randint(2, 40)
            )
            self.runs[begun.run_id] = RunModel(self.now + timedelta(minutes=minutes), kind)

    def _kind(self, begun: Begun) -> str:
        if self.story:
            return self.story[begun.task].pop(0) if begun.role is Role.WORKER else "right"
        kinds = ["right"] * 12 + ["wrong", "wrong", "empty", "foreign", "endless", "lost", "undo"]
        kind = self.random.choice(kinds)
        return "down" if self.down[0] <= self.now < self.down[1] else kind

    def read_end(self, begun: Begun, history: History) -> Ended:
        model = self.runs[begun.run_id]
        cost = self.random.choice([0.02, 0.1, 0.4])
        ended = Ended(
            begun.run_id,
            self.now,
            model.kind not in ("endless", "down", "canceled"),
            "completed",
            cost_usd=_cost(begun, cost),
        )
        if begun.role is Role.WORKER:
            return replace(ended, tree=asyncio.run(self._made(begun, model, history)))
        files = asyncio.run(self.files_of(begun.commit))
        if model.kind == "canceled":
            return ended
        if begun.role is Role.JUDGE:
            self.attempts -= 1
            is_whole = all(holds(task, files) for task in history.tasks.values())
            return replace(ended, verdict="go" if is_whole else "no-go")
        if begun.role is Role.PLANNER:
            return ended
        results = {id_: holds(history.tasks[id_], files) for id_ in begun.tasks}
        return replace(ended, succeeded=True, results={**results, "train:start": "start" in files})

    async def _made(self, begun: Begun, model: RunModel, history: History) -> str:
        """Return the tree that a worker leaves."""
        task = history.tasks[begun.task]
        files = await self.files_of(begun.commit)
        path = task.touches[0]
        if model.kind in ("right", "lost", "foreign", "undo"):
            files[path] = f"{files.get(path, '')}{task.id} is done\n"
        elif model.kind == "wrong":
            files[path] = f"{files.get(path, '')}{task.id} {begun.run_id}\n"
        if model.kind == "foreign":
            files["other"] = "x"
        if model.kind == "undo":
            files.pop("start", None)
        return await self.tree_of(files)

    async def files_of(self, commit: str) -> dict[str, str]:
        found = await self.store.files_of(await candidate_of(commit, self.store, self.repository))
        texts = await self.store.with_blobs([entry.id for entry in found.values()], list)
        return {path.decode(): text.decode() for path, text in zip(found, texts, strict=True)}

    async def tree_of(self, files: Mapping[str, str]) -> str:
        flat = {
            path.encode(): TreeEntry(FILE, self.store.objects.write("blob", text.encode()))
            for path, text in files.items()
        }
        return write_tree(self.store.objects, flat).hex()

    def read_planned(self, begun: Begun, ended: Ended, history: History) -> Planned:
        if not ended.succeeded:
            return Planned(self.now, begun.run_id, faults=["the planner failed"])
        tasks = [task for task in self.plan if task.id not in history.landed]
        again = sum(not one.faults for one in history.all(Planned))
        if again:
            # What was given up is tried under another name.
            renamed = {task.id: f"{task.id}-{again}" for task in tasks}
            tasks = [
                replace(
                    task,
                    id=renamed[task.id],
                    needs=tuple(renamed.get(id_, id_) for id_ in task.needs),
                )
                for task in tasks
            ]
        if self.nonsense:
            self.nonsense -= 1
            tasks = [replace(task, check="true") for task in tasks]
        landed = {id_: history.tasks[id_] for id_ in history.landed}
        return Planned(self.now, begun.run_id, tasks, [*find_faults(tasks, {}, landed)])

    def merge(self, order: Order, history: History) -> str | NotMerged:
        async def merging() -> str | NotMerged:
            before = await candidate_of(
                history.begun[order.run_id].commit, self.store, self.repository
            )
            tree, task = history.ended[order.run_id].tree, history.tasks[order.task]
            made = MadeWork(order.run_id, task, self.store, tree, before)
            return await merge_into(self.store, made, history, self.repository, now=self.now)

        return asyncio.run(merging())

    def move(self, landing: Begun, history: History) -> str:
        ref = f"refs/heads/{history.mission.branch}"
        if asyncio.run(self.repository.ref(ref)) != landing.commit:
            asyncio.run(self.repository.move_ref(ref, history.tip, landing.commit))
        data = {"task": landing.task, "before": history.tip, "after": landing.commit}
        kind, run_id = LineKind.MISSION_LANDED, landing.worker
        self.ledger.append(kind, run_id, dict(data), now=self.now, once=True)
        return asyncio.run(self.repository.tree(landing.commit))

    def feedback(self, run_id: str) -> str:
        return f"{run_id}: no-go"

    def cancel(self, begun: Begun, history: History) -> None:
        model = self.runs.get(begun.run_id)
        if model and model.ends > self.now:
            model.ends, model.kind = self.now, "canceled"

    def advance(self) -> None:
        """Let the time pass until the next run ends, or an hour."""
        ends = [model.ends for model in self.runs.values() if model.ends > self.now]
        self.now = min([*ends, self.now + timedelta(hours=1)])


def _cost(begun: Begun, cost: float) -> float:
    """Return what a run costs: one of commands nothing, others at most their share."""
    if begun.role in (Role.TRIAL, Role.LANDING):
        return 0.0
    return cost if begun.reserved_usd is None else min(cost, begun.reserved_usd)


def holds(task: PlannedTask, files: Mapping[str, str]) -> bool:
    """Return whether the check of a task holds: its file has the line that shows it."""
    return f"{task.id} is done" in files.get(task.touches[0], "").splitlines()


@dataclass(frozen=True)
class DyingFolder(MissionFolder):
    """A folder whose writer is killed now and then, before or after a line."""

    random: Random

    def record(self, line: Line) -> None:
        if self.random.random() < 0.03:
            raise Killed
        super().record(line)
        if self.random.random() < 0.03:
            raise Killed


def make_plan(random: Random) -> list[PlannedTask]:
    tasks: list[PlannedTask] = []
    for number in range(random.randint(2, 7)):
        before = [task.id for task in tasks]
        shares = before and random.random() < 0.3
        other = random.choice(tasks) if shares else None
        path = other.touches[0] if other else f"f{number}"
        needs = [task.id for task in tasks if task.touches[0] == path]
        if before and random.random() < 0.3:
            needs = [*dict.fromkeys([*needs, random.choice(before)])]
        tasks.append(
            PlannedTask(
                f"t{number}",
                f"Do {number}",
                touches=(path,),
                needs=tuple(needs),
                check=f"grep t{number} {path}",
            )
        )
    return tasks


def make_night(seed: int, folder: Path) -> tuple[DyingFolder, SimulatedPlace]:
    random = Random(seed)
    repository, store, base = asyncio.run(_make_repository(folder / "repository"))
    for name in ("state", "begun"):
        (folder / name).mkdir()
    environ = {"PATH": PATH, "HOME": str(folder), "ATTRACTOR_STATE_DIR": str(folder / "state")}
    opened = open_project(folder / "repository", environ)
    mission = Mission(
        name="night",
        intent="All of it",
        by="ann",
        created=NIGHT,
        base=base,
        suite=random.choice(["", "s@1#x"]),
        max_cost_usd=random.choice([None, 1.0, 5.0, 50.0]),
        workers=random.randint(1, 4),
        hands_off=random.random() < 0.7,
        hours=random.choice([4.0, 8.0, 24.0]),
    )
    asyncio.run(repository.move_ref(f"refs/heads/{mission.branch}", "", base))
    root = folder / "missions" / "night"
    root.mkdir(parents=True)
    dying = DyingFolder(root, ProjectFolder("p", folder, folder), Random(seed + 1))
    MissionFolder.record(dying, mission)
    hour = NIGHT + timedelta(hours=random.randint(0, 6))
    is_down = random.random() < 0.3
    place = SimulatedPlace(
        random,
        repository,
        store,
        opened.ledger,
        make_plan(random),
        ModelPlace(opened, folder / "begun"),
        nonsense=random.choice([0, 0, 0, 1, 4]),
        down=(hour, hour + timedelta(hours=1)) if is_down else (NIGHT, NIGHT),
    )
    return dying, place


async def _make_repository(folder: Path) -> tuple[Repository, ObjectStore, str]:
    """Return a repository with one commit, which is the same in each night, and a store for it."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    repository = await open_repository(folder, search_path=PATH)
    store = ObjectStore(folder / "store", object_format="sha1", search_path=PATH)
    await store.create(borrow_from=repository.objects)
    start = TreeEntry(FILE, store.objects.write("blob", b"start\n"))
    tree = write_tree(store.objects, {b"start": start}).hex()
    author = Author.attractor(NIGHT)
    base = write_commit(store.objects, tree=tree, parents=(), author=author, message="Start")
    await bring_commit(base, out_of=store.git, into=repository.git)
    return repository, store, base


def live(folder: DyingFolder, place: SimulatedPlace) -> str:
    """Live through a night: its process dies and begins again; people answer at most waits.

    Return why it ended or what it waits for in the end; raise Stalled if it does neither.
    """
    steps = people = 0

    def pause() -> None:
        nonlocal steps
        steps += 1
        if steps > MOST_STEPS:
            raise Stalled
        _interrupt(folder, place)
        place.advance()

    while True:
        try:
            waits = work(folder, place, pause)
        except Killed:
            continue
        history = folder.read()
        if history.closed:
            return history.closed.why
        if waits is None:
            raise Stalled
        people += 1
        if people > MOST_PEOPLE or place.random.random() < 0.1:
            return f"waits: {waits.words}"
        place.now += timedelta(minutes=5)
        MissionFolder.record(folder, _answer(waits, place.now))


def _interrupt(folder: DyingFolder, place: SimulatedPlace) -> None:
    """Let a person pause the mission now and then, which cancels what runs."""
    if place.random.random() < 0.02:
        MissionFolder.record(folder, Word(Said.PAUSED, "ann", place.now, now=True))


def _answer(waits: Order, now: datetime) -> Line:
    """Return what a person says about a wait."""
    if "--accept" in waits.command:
        return Accepted(now, "ann")
    is_vain = "budget" in waits.words or "given" in waits.words
    return Word(Said.STOPPED if is_vain else Said.RESUMED, "ann", now)


def run_night(seed: int, folder: Path) -> tuple[str, DyingFolder, SimulatedPlace]:
    """Live through the night of a seed."""
    dying, place = make_night(seed, folder)
    return live(dying, place), dying, place


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        end, lived, _ = run_night(int(sys.argv[1]), Path(scratch))
        print((lived.root / "journal.jsonl").read_text(), end, sep="\n")  # noqa: T201
