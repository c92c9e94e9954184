"""Many actors with real processes: under kills, after a reboot, and after many tasks."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from attractor.base.json import canonical_json
from attractor.base.locks import FileLock, holder_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.environments.orphan_processes import MARK, find_process, process_numbers
from attractor.factory.open_project import OpenProject
from attractor.records.request import read_request
from attractor.records.summary import summarize
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.worlds import process
from attractor.worlds.actors import ActorFolder, Answered, KnownLines, list_actors
from attractor.worlds.dimensions import add_dimension
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import MessageKind, Sender, SenderKind
from attractor.worlds.orders import go_on, send
from attractor.worlds.status import ActorStatus, read_actor
from tests.agent.twinned import MODELS, says
from tests.cli.running import run_here
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git, make_project
from tests.worlds.flows import ANN, actor_in, open_at, send_to

TASKS, ACTORS, KILLS = count(ci=12, full=200), count(ci=2, full=6), count(ci=2, full=20)
PROJECTS, EACH, WORKING = count(ci=2, full=4), count(ci=4, full=10), count(ci=4, full=8)
WAKES, FEW, RUNS, COST = count(ci=1, full=3), 5, count(ci=20, full=1000), count(ci=1.5, full=1.2)
MESSAGES, LATEST_S, LATEST_LINGERING_S = count(ci=(2, 15.0, 5.0), full=(20, 1.5, 0.3))
LISTED_S = count(ci=20.0, full=3.0)
LONGEST_S = 400.0
NAP = """digraph nap {{
  start [shape=Mdiamond]; done [shape=Msquare]
  nap [shape=parallelogram, tool_command="echo nap >> {folder}/naps; sleep 300"]
  start -> nap -> done
}}
"""
_CAP = "ATTRACTOR_WORLDS__MAX_WORKING_ACTORS"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for projects; kill the processes of their actors at the end."""
    yield tmp_path
    while alive := [one for one in list_actors(tmp_path / "state") if FileLock.is_held(one.lock)]:
        for one in alive:
            kill(one, is_group=True)


def report(figures: str) -> None:
    """Print measured figures; `pytest -s` shows them."""
    sys.stdout.write(f"{figures}\n")


def kill(folder: ActorFolder, *, is_group: bool = False) -> None:
    """Kill the process of an actor, or its group, and wait until it is gone."""
    if holder := holder_of(folder.lock):
        with suppress(ProcessLookupError):
            (os.killpg if is_group else os.kill)(holder.pid, signal.SIGKILL)
        wait_until(lambda: holder_of(folder.lock) != holder)


def kill_all(folder: ActorFolder) -> None:
    """Kill the process of an actor, and those that waited for its lock."""
    free_since = time.monotonic()
    while time.monotonic() < free_since + 0.5:
        if FileLock.is_held(folder.lock):
            kill(folder)
            free_since = time.monotonic()
        time.sleep(0.02)


def up(opened: OpenProject) -> str:
    environ = opened.project.machine.environ
    done = run_here(("up", "--once"), folder=opened.project.root, variables=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Crowd:
    """Actors to which people and some of these actors send tasks."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.opened = open_at(folder, **{_CAP: str(ACTORS)})
        self.actors = [actor_in(self.opened, f"actor-{number}") for number in range(ACTORS)]
        self.known = [KnownLines() for _ in self.actors]
        self.dice = dice
        givers = [Sender(SenderKind.ACTOR, one.name) for one in self.actors[: ACTORS // 2]]
        people = [Sender(SenderKind.PERSON, name) for name in ("ann", "bob", "cleo")]
        # Half of the tasks are of actors, which get a message with each result.
        self.senders = [people[: ACTORS // 2], givers]
        self.sent = 0

    def send(self) -> None:
        sender = self.dice.choice(self.senders[self.sent % 2])
        self.sent += 1
        send(self.dice.choice(self.actors), f"task {self.sent:03}", sender, self.opened)

    def answers(self) -> Sequence[Sequence[Answered]]:
        pairs = zip(self.actors, self.known, strict=True)
        return [folder.read(known).answers for folder, known in pairs]

    def kill_one(self) -> bool:
        """Kill an actor at work after a moment, and start it again; return whether there is one."""
        working = [one for one in self.actors if one.read_task() and FileLock.is_held(one.lock)]
        if not working:
            return False
        victim = self.dice.choice(working)
        time.sleep(self.dice.uniform(0.0, 0.2))
        kill(victim, is_group=self.dice.random() < 0.5)
        if "asks whether to go on, since its process died again" in up(self.opened):
            go_on(victim, ANN, self.opened)
        return True


@pytest.mark.crash
def test_each_message_is_answered_once_in_its_order_whatever_is_killed(folder: Path) -> None:
    crowd, killed, total = Crowd(folder, random.Random("many")), 0, TASKS + TASKS // 2
    began = time.monotonic()
    while (answered := sum(map(len, crowd.answers()))) < total:
        assert time.monotonic() < began + LONGEST_S, [
            read_actor(one).status for one in crowd.actors
        ]
        is_due = killed < KILLS and answered >= (total - ACTORS) * killed // KILLS
        if is_due and crowd.kill_one():
            # On a busy machine, a start takes long: nothing is sent until the kills have kept up.
            killed += 1
            continue
        while crowd.sent < min(TASKS, answered + 5 * ACTORS):
            crowd.send()
        time.sleep(0.01)
    report(f"{total} messages, {TASKS} tasks, {killed} kills in {time.monotonic() - began:.0f} s")
    assert killed >= count(ci=1, full=KILLS)
    answers = [one for some in crowd.answers() for one in some]
    assert all(one.succeeded for one in answers), [one.reason for one in answers]
    assert len({one.message.id for one in answers}) == len(answers) == total
    # A message is removed after its answer is recorded.
    wait_until(lambda: not any(Inbox(one.inbox).has_messages() for one in crowd.actors))
    roots = [one.parent for one in crowd.opened.project.runs_dir.glob("*/manifest.json")]
    tasks = [read_request(read_manifest(RunDirectory(root))).task for root in roots]
    runs = Counter(task.message for task in tasks if task)
    assert runs == Counter({one.message.id: 1 for one in answers})
    assert {summarize(root).outcome for root in roots} == {"success"}
    results = Counter(one.message.about for one in answers if one.message.about)
    asked = [one.message.id for one in answers if one.message.sender.kind is SenderKind.ACTOR]
    assert results == Counter(dict.fromkeys(asked, 1))
    for some in crowd.answers():
        given = [one.message for one in some if one.message.kind is MessageKind.TASK]
        for sender in {str(one.sender) for one in given}:
            texts = [one.text for one in given if str(one.sender) == sender]
            assert texts == sorted(texts)


def reboot(roots: Sequence[Path], stranger: int) -> None:
    """Let all notes of processes name a process that has their id since the reboot."""
    for root in roots:
        for note in root.rglob("*.holder"):
            note.write_text(canonical_json({**json.loads(note.read_text()), "pid": stranger}))


def leave_process(run_id: str, stranger: int) -> subprocess.Popen[bytes]:
    """Start a process as the tool of a run left it, whose own process had the id of a stranger."""
    mark = f"{run_id}.{stranger}-1.{'0' * 32}"
    return subprocess.Popen(["sleep", "300"], env={MARK: mark}, start_new_session=True)


def count_starting(locks: Mapping[str, Path], begun: set[int]) -> int:
    """Count the processes of actors, without their wakers, that never held their lock yet."""
    found: dict[int, Path] = {}
    for number in process_numbers():
        with suppress(OSError):
            words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
            if process.__name__ in words and "/".join(words[-3:-1]) in locks:
                found[number] = locks["/".join(words[-3:-1])]
    holders = [holder_of(lock) for lock in found.values()]
    begun |= {holder.pid for holder in holders if holder}
    left = [one for number in found if number not in begun and (one := find_process(number))]
    return sum(1 for one in left if one.session == one.number)


@pytest.mark.crash
def test_all_actors_are_back_after_a_reboot_and_stale_ones_ask(folder: Path) -> None:
    make_project(folder / "project-0", NAP.format(folder=folder))
    (folder / "nap.dot").write_text(NAP.format(folder=folder))
    naps = folder / "naps"
    cap, pipeline = {_CAP: str(WORKING)}, str(folder / "nap.dot")
    projects = [open_at(folder, f"project-{number}", **cap) for number in range(PROJECTS)]
    made = asyncio.run(add_dimension(projects[0], "merged"))
    place = {"workspace": made.kind, "folder": made.folder, "dimension": made.name}
    actors = [
        (opened, actor_in(opened, name, pipeline=pipeline, **(place if name == "merged" else {})))
        for number in range(EACH)
        for opened in projects
        for name in ["merged" if opened is projects[0] and not number else f"actor-{number}"]
    ]
    for opened, actor in actors[:WORKING]:
        send(actor, "work", ANN, opened)
    wait_until(lambda: naps.exists() and naps.read_text().count("nap") == WORKING)
    for opened, actor in actors[WORKING:]:
        send_to(actor, opened, "work")
    runs = [task.run_id for _, actor in actors[:WORKING] if (task := actor.read_task())]
    for holder in [holder_of(actor.lock) for _, actor in actors[:WORKING]]:
        assert holder
        os.killpg(holder.pid, signal.SIGKILL)
    wait_until(lambda: not any(FileLock.is_held(actor.lock) for _, actor in actors))
    # One was cut two days ago, and a person merged the branch of another one.
    (Path(made.top) / "new.txt").write_text("new")
    git(Path(made.top), "add", "new.txt")
    git(Path(made.top), "commit", "--quiet", "--message", "Change")
    git(projects[0].project.root, "merge", "--quiet", made.branch)
    old = time.time() - 2 * 86400
    os.utime(RunDirectory(projects[1].project.runs_dir / runs[1]).events, (old, old))
    stranger = subprocess.Popen(["sleep", "300"])
    left = [leave_process(run_id, stranger.pid) for run_id in runs]
    try:
        reboot([folder / "state", *(one.project.runs_dir for one in projects)], stranger.pid)
        listed, most = list_by_up(projects[0], [actor for _, actor in actors])
        asked = sorted(words for words in listed if "asks" in words)
        assert len(listed) == len(actors)
        assert [words.partition(":")[0] for words in asked] == [
            "project-0/merged asks whether to go on, since its branch was merged",
            "project-1/actor-0 asks whether to go on, since its process died 2d ago",
        ]
        assert sum("goes on" in words for words in listed) == WORKING - 2
        # A process that found no free place may end a moment later.
        assert 1 < most <= 4 + 2
        wait_until(lambda: naps.read_text().count("nap") == 2 * WORKING)
        assert [one.wait(PATIENCE_S) for one in left] == [-signal.SIGTERM] * WORKING
        assert stranger.poll() is None
        views = [read_actor(actor) for _, actor in actors]
        working = Counter(view.status for view in views if view.task)
        assert working == {ActorStatus.WORKING: WORKING, ActorStatus.INTERRUPTED: 2}
    finally:
        for one in (stranger, *left):
            one.kill()
            one.wait()


def read_timed(stream: IO[str]) -> list[tuple[float, str]]:
    return [(time.monotonic(), line) for line in stream]


def list_by_up(opened: OpenProject, actors: Sequence[ActorFolder]) -> tuple[list[str], int]:
    """Return the lines that the program prints in time, and how many actors started at once."""
    began, begun, most = time.monotonic(), set[int](), 0
    with (
        subprocess.Popen(
            [sys.executable, "-P", "-m", "attractor", "up", "--once"],
            cwd=opened.project.root,
            env=dict(opened.project.machine.environ),
            stdout=subprocess.PIPE,
            text=True,
        ) as program,
        ThreadPoolExecutor() as pool,
    ):
        assert program.stdout
        lines = pool.submit(read_timed, program.stdout)
        locks = {f"{one.project.project_id}/{one.name}": one.lock for one in actors}
        while program.poll() is None:
            most = max(most, count_starting(locks, begun))
            time.sleep(0.02)
        listed = lines.result()
    report(f"{len(listed)} listed in {listed[-1][0] - began:.2f} s, {most} started at once")
    return [line for at, line in listed if at - began < LISTED_S], most


def cost_of_a_wake(folder: ActorFolder, opened: OpenProject) -> float:
    """Return the seconds of CPU time of a new process of an actor that answers one message."""
    known, before = KnownLines(), len(folder.read().answers)
    send_to(folder, opened, "again")
    machine = opened.project.machine
    words = [str(machine.state_dir), folder.project.project_id, folder.name]
    argv = [sys.executable, "-P", "-m", process.__name__, *words]
    number = os.posix_spawn(sys.executable, argv, machine.environ)
    wait_until(lambda: len(folder.read(known).answers) > before)
    assert (holder := holder_of(folder.lock))
    assert holder.pid == number, "another process answered"
    os.kill(number, signal.SIGKILL)
    usage = os.wait4(number, 0)[2]
    return usage.ru_utime + usage.ru_stime


@pytest.mark.crash
def test_wake_after_many_task_runs_costs_no_more_than_after_a_few(folder: Path) -> None:
    opened = open_at(folder)
    actor, known, sent, costs = actor_in(opened), KnownLines(), 0, list[float]()
    for total in (FEW, RUNS):
        while (answered := len(actor.read(known).answers)) < total:
            if sent < min(total, answered + 5):
                sent += 1
                send(actor, f"task {sent}", ANN, opened)
            else:
                time.sleep(0.02)
        kill_all(actor)
        costs.append(min(cost_of_a_wake(actor, opened) for _ in range(WAKES)))
        sent += WAKES
    report(f"after {FEW} runs {costs[0]:.3f} s of CPU time, after {RUNS} runs {costs[1]:.3f} s")
    assert costs[1] < COST * costs[0]


@pytest.mark.crash
def test_first_request_of_the_model_follows_soon(folder: Path) -> None:
    seen, known = list[float](), KnownLines()
    script = Script(rules=(Rule(when=When(), answer=says("Done.")),))
    delays: dict[bool, list[float]] = {False: [], True: []}
    with in_background(
        ProviderTwin(script, on_request=lambda _: seen.append(time.monotonic()))
    ) as twin:
        opened = open_at(folder, **twin.environ())
        actor = actor_in(opened, backend="agent", model=MODELS["openai"], provider="openai")
        for number in range(2 * MESSAGES):
            is_lingering = FileLock.is_held(actor.lock)
            seen.clear()
            began = time.monotonic()
            send(actor, "Go on", ANN, opened)
            wait_until(lambda: seen)
            delays[is_lingering].append(seen[0] - began)
            wait_until(lambda: len(actor.read(known).answers) > number)  # noqa: B023
            if is_lingering:
                kill(actor)
    latest = {lingers: sorted(some)[len(some) * 95 // 100 - 1] for lingers, some in delays.items()}
    report(
        f"first request after {latest[False]:.2f} s (p95), {latest[True]:.2f} s while it lingers"
    )
    assert [len(some) for some in delays.values()] == [MESSAGES, MESSAGES]
    assert latest[False] < LATEST_S
    assert latest[True] < LATEST_LINGERING_S
