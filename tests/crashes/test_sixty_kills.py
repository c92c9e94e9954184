"""One run is killed sixty times, and comes to what it comes to undisturbed."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attractor.base.journal import verify_file
from attractor.base.json import Json
from attractor.language.reading import parse
from tests.counts import count
from tests.crashes import life
from tests.crashes.deaths import MOMENTS, STEP
from tests.crashes.pipeline import NODES, OUTSIDE, write_pipeline
from tests.pipeline.projects import git, make_project
from tests.prepared import Process, begin_prepared, plain

KILLS = count(ci=4, full=60)
FROM_OUTSIDE = "from outside"
LONGEST_LIFE_S = 300.0
Stage = tuple[str, str, int]


@dataclass(frozen=True)
class Place:
    """A project with a run of its own, and what its lives leave beside it."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def root(self) -> Path:
        return self.folder / "run"

    @property
    def journal(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def deaths(self) -> list[str]:
        """What each process that killed itself was just doing."""
        note = self.folder / "deaths"
        return note.read_text().splitlines() if note.exists() else []

    def make(self) -> "Place":
        """Make the project."""
        make_project(self.project, write_pipeline())
        return self

    def begin(self, *moment: str) -> Process:
        """Begin a life, or one that ends at a moment."""
        state = {"ATTRACTOR_STATE_DIR": "state", "ATTRACTOR_WORKSPACES_DIR": "work"}
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            OUTSIDE: str(self.folder / "outside"),
            **{name: str(self.folder / folder) for name, folder in state.items()},
        }
        return begin_prepared(
            [str(self.project), str(self.root), *moment],
            folder=self.folder,
            variables=plain(environ),
            program=life.__file__,
        )

    def live(self) -> int:
        """Live to the end."""
        process = self.begin()
        try:
            return process.wait(timeout=LONGEST_LIFE_S)
        finally:
            process.kill()
            process.wait(timeout=30)

    def events(self) -> list[dict[str, Any]]:
        """Return all events that are whole."""
        lines = self.journal.read_bytes().split(b"\n")[:-1] if self.journal.exists() else []
        return [json.loads(line) for line in lines]

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.root / name).read_text())

    def outside(self) -> Counter[str]:
        """Count what the commands wrote where nothing takes it back."""
        return Counter((self.folder / "outside").read_text().split())


def steps_in(journal: Path) -> int:
    return journal.read_bytes().count(STEP) if journal.exists() else 0


def kill(place: Place, dice: random.Random, moment: str, steps: int) -> str:
    """Let one life go on for some steps and end at a moment; return what it died of."""
    before = len(place.deaths)
    if moment == FROM_OUTSIDE:
        return kill_from_outside(place, steps, dice.uniform(0.0, 0.05))
    process = place.begin(moment, str(steps), str(dice.choice([0, 0, 0, 1, 5])))
    try:
        code = process.wait(timeout=LONGEST_LIFE_S)
    finally:
        process.kill()
        process.wait(timeout=30)
    assert code == -signal.SIGKILL
    [death] = place.deaths[before:]
    return death


def kill_from_outside(place: Place, steps: int, pause: float) -> str:
    """Kill a life from outside, some time after it has made so many steps."""
    goal = steps_in(place.journal) + steps
    size = place.journal.stat().st_size if place.journal.exists() else -1
    process = place.begin()
    until = time.monotonic() + LONGEST_LIFE_S
    try:
        while process.poll() is None and (
            not place.journal.exists()
            or place.journal.stat().st_size <= size
            or steps_in(place.journal) < goal
        ):
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(pause)
    finally:
        process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    return FROM_OUTSIDE


def moments(dice: random.Random, number: int) -> Iterator[str]:
    """Yield moments: each kind as often as the others, the first ones in any case."""
    kinds = [*MOMENTS[:3], FROM_OUTSIDE, *MOMENTS[3:]]
    for index in range(number):
        if index and index % len(kinds) == 0:
            dice.shuffle(kinds)
        yield kinds[index % len(kinds)]


def kill_again_and_again(place: Place, dice: random.Random, steps: int) -> list[tuple[str, int]]:
    """Kill one run so often, all along its way; return what of, and after how many events."""
    ends: list[tuple[str, int]] = []
    for index, moment in enumerate(moments(dice, KILLS)):
        # Behind the last goal there is enough left to die of, whatever the moment is.
        goal = int((index + dice.random()) / KILLS * (steps - 40))
        death = kill(place, dice, moment, max(0, goal - steps_in(place.journal)))
        ends.append((death, len(place.events())))
    return ends


def stage_of(event: dict[str, Any]) -> Stage:
    return (event.get("branch") or "", event["node"], event["visit"])


def attempt_of(event: dict[str, Any]) -> tuple[Stage, int]:
    return (stage_of(event), event["attempt"])


def steps_of(events: Sequence[dict[str, Any]]) -> list[Stage]:
    """Return the stages that were done for good."""
    saved = [one for one in events if one["type"] == "CheckpointSaved" and one.get("node")]
    return [stage_of(one) for one in saved]


def require_only_stages_in_flight_repeated(
    events: Sequence[dict[str, Any]], ends: Sequence[int]
) -> int:
    """Hold every attempt that began again against what was in flight; return how many did."""
    latest: dict[Stage, int] = {}
    done: set[Stage] = set()
    repeated: list[str] = []
    total = 0
    for index, event in enumerate(events):
        if index in ends:
            repeated = []
        if event["type"] == "CheckpointSaved" and event.get("node"):
            done.add(stage_of(event))
        if event["type"] != "StageStarted":
            continue
        stage, attempt = attempt_of(event)
        assert stage not in done, f"{stage} was done, and is done again"
        if attempt <= latest.get(stage, 0):
            assert attempt == latest[stage], f"{stage} began with attempt {attempt} again"
            repeated.append(stage[0])
            total += 1
        latest[stage] = attempt
        # In each life, each walk may repeat one stage; a fork goes on, and its branches with it.
        assert max(Counter(repeated).values(), default=0) <= 1, repeated
    return total


def without_times(value: Json) -> Json:
    match value:
        case dict():
            return {key: without_times(one) for key, one in value.items() if key != "seconds"}
        case list():
            return [without_times(one) for one in value]
        case _:
            return value


def end_of(place: Place) -> dict[str, Any]:
    """Return all that a run came to, but what is measured."""
    checkpoint, final = place.json("checkpoint.json"), place.json("final.json")
    events = place.events()
    branch = f"attractor/run/{place.json('manifest.json')['run_id']}"
    edges = [one for one in events if one["type"] == "EdgeSelected"]
    return {
        "status": place.json("run.json")["status"],
        "outcome": final["outcome"],
        "why": final["why"],
        "visits": final["visits"],
        "redirects": final["redirects"],
        "handled": final["handled_failures"],
        "context": without_times(checkpoint["context"]),
        "completed": checkpoint["completed_nodes"],
        "steps": Counter(steps_of(events)),
        "edges": Counter({(stage_of(one), one["data"]["target"]) for one in edges}),
        "tree": final["tree"],
        "commits": git(place.project, "log", "--topo-order", "--format=%s %T", branch).splitlines(),
        "files": git(place.project, "show", f"{branch}:done.txt", f"{branch}:a.txt"),
    }


@pytest.mark.crash
def test_a_run_that_is_killed_again_and_again_comes_to_the_same(tmp_path: Path) -> None:
    assert len(parse(write_pipeline()).nodes) == NODES
    seed = os.environ.get("SEED", "sixty kills")
    undisturbed = Place(tmp_path / "undisturbed").make()
    assert undisturbed.live() == 0
    steps = steps_in(undisturbed.journal)
    killed = Place(tmp_path / "killed").make()
    ends = kill_again_and_again(killed, random.Random(seed), steps)
    assert killed.live() == 0
    told = f"SEED={seed!r}: {ends}"
    assert end_of(killed) == end_of(undisturbed), told
    assert verify_file(killed.journal).flaw is None, told
    events = killed.events()
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1)), told
    again = require_only_stages_in_flight_repeated(events, [at for _, at in ends])
    require_spread(ends, steps_in(killed.journal), len(events))
    # A command that was cut off may have told of itself outside, where nothing takes it back.
    more = killed.outside() - undisturbed.outside()
    assert not undisturbed.outside() - killed.outside(), told
    assert sum(more.values()) <= again, told
    assert [one.name for one in killed.root.rglob("*.tmp")] == [], told


def require_spread(ends: Sequence[tuple[str, int]], steps: int, events: int) -> None:
    """Require that the run was killed all along its way, and at work on all sorts of things."""
    deaths = Counter(death for death, _ in ends)
    assert sum(deaths.values()) == KILLS
    # A moment that does not come for long is given up for another one.
    assert len(deaths) >= min(KILLS - 2, len(MOMENTS) - 3), deaths
    thirds = Counter(min(2, at * 3 // events) for _, at in ends)
    assert len(thirds) == 3, (ends, steps)
