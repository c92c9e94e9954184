"""100 actors, of which 50 a second record something, in the terminal interface and in Chromium."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count as numbers
from multiprocessing import get_context
from pathlib import Path

import pytest

from attractor.server.service import Service
from attractor.worlds.actors import ActorFolder, Answered, create_actor, list_actors
from attractor.worlds.messages import Message, MessageKind, Sender, SenderKind
from tests.attention.test_reading import GATE
from tests.browsers import chromium
from tests.cli.git_desk import GitDesk
from tests.counts import IS_FULL, count
from tests.server.conftest import RunningServer
from tests.tui.conftest import Person, World, sit

ACTORS, EACH_S = 100, 50
SECONDS, LATE_S = count(ci=2.0, full=20.0), count(ci=30.0, full=1.0)
SLOWEST_S = count(ci=LATE_S, full=0.1)
ANN = Sender(SenderKind.PERSON, "ann")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[GitDesk]:
    desk = GitDesk(tmp_path)
    desk.make(GATE)
    yield desk
    desk.end()


@pytest.fixture
def served(desk: GitDesk) -> dict[str, str]:
    """The addresses of a server in a process of its own."""
    server = desk.begin("serve", "--port", "0", "--json", stdout=subprocess.PIPE)
    assert server.stdout
    return json.loads(server.stdout.readline())


@pytest.fixture
def world(desk: GitDesk, served: dict[str, str]) -> Iterator[World]:
    server = RunningServer(served["url"], Service.of(desk.place, desk.environ))
    with server.client("decide") as http:
        yield World(desk, server, http)


def populate(world: World) -> list[ActorFolder]:
    """Spawn an actor, and write 99 more like it."""
    world.spawn_simulated("a0", "say hello")
    state = world.server.service.project.machine.state_dir
    first = next(iter(list_actors(state)))
    actor = first.read().actor
    for number in range(1, ACTORS):
        create_actor(replace(actor, name=f"a{number}"), first.project, state)
    return [*list_actors(state)]


def answer(number: int, *, succeeded: bool) -> Answered:
    message = Message(
        f"m{number}", number, MessageKind.TASK, ANN, f"task {number}", datetime.now(UTC)
    )
    reason = "" if succeeded else f"it broke at {number}"
    now = datetime.now(UTC)
    return Answered(message, "", succeeded, reason, f"done {number}", 0, (), 0.0, now)


def record_answers(actors: list[ActorFolder]) -> None:
    """Record 50 answers a second, each of another actor, until this process is killed."""
    began = time.monotonic()
    for number in numbers(1000):
        time.sleep(max(0.0, began + (number - 1000) / EACH_S - time.monotonic()))
        actors[number % (ACTORS - 1)].record(answer(number, succeeded=True))


def while_busy(actors: list[ActorFolder], look: Callable[[], None]) -> None:
    # A process of its own, as actors have: it takes no time of the server and the terminal.
    busy = get_context("spawn").Process(target=record_answers, args=(actors,))
    busy.start()
    try:
        look()
        assert busy.is_alive()
    finally:
        busy.kill()
        busy.join()


def test_what_needs_a_person_is_in_the_terminal_in_time(world: World) -> None:
    actors = populate(world)
    [last] = [one for one in actors if one.name == actors[-1].name]

    async def work(ann: Person) -> None:
        await ann.sees("ACTORS (100)", lambda: ann.list)
        slow: list[float] = []
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            begun = time.monotonic()
            await ann.pilot.press("down")
            slow.append(time.monotonic() - begun)
        last.record(answer(1, succeeded=False))
        begun = time.monotonic()
        await ann.sees("it broke at 1", lambda: ann.list + ann.right)
        assert time.monotonic() - begun < LATE_S
        slow.sort()
        assert slow[int(0.95 * len(slow))] < SLOWEST_S, slow[-10:]

    while_busy(actors, lambda: sit(world.server, work))


def test_what_needs_a_person_is_on_the_page_in_time(world: World, served: dict[str, str]) -> None:
    actors = populate(world)

    def look() -> None:
        with chromium() as screen:
            screen.page.goto(served["login"])
            screen.page.goto(served["login"].partition("/login")[0] + "/attention")
            screen.page.wait_for_timeout(SECONDS * 500)
            actors[-1].record(answer(1, succeeded=False))
            begun = time.monotonic()
            # An expectation looks less often the longer it waits.
            screen.page.get_by_text("it broke at 1").first.wait_for(
                timeout=30_000 if not IS_FULL else 5000
            )
            late = time.monotonic() - begun
            assert late < LATE_S

    while_busy(actors, look)
