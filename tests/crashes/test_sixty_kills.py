"""A run that is killed sixty times has the same result as an undisturbed run."""

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

from attractor.base.hash_chain import verify_file
from attractor.base.json import Json
from attractor.language.reading import parse
from tests.counts import count
from tests.crashes import life
from tests.crashes.deaths import MOMENTS, STEP
from tests.crashes.pipeline import NODES, OUTSIDE, write_pipeline
from tests.patience import PATIENCE_S
from tests.pipeline.projects import git, make_project
from tests.prepared import Process, begin_prepared, plain

KILLS = count(ci=4, full=60)
FROM_OUTSIDE = "from outside"
MAX_PROCESS_S = 300.0
Stage = tuple[str, str, int]


@dataclass(frozen=True)
class Place:
    """A project with one run, and the files that its processes leave beside it."""

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
        """The operation at which each process killed itself."""
        note = self.folder / "deaths"
        return note.read_text().splitlines() if note.exists() else []

    def make(self) -> "Place":
        """Make the project."""
        make_project(self.project, write_pipeline())
        return self

    def start(self, *moment: str) -> Process:
        """Start a process; with arguments, it kills itself at that moment."""
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

    def run_to_end(self) -> int:
        """Run to the end, and return the exit status."""
        process = self.start()
        try:
            return process.wait(timeout=MAX_PROCESS_S)
        finally:
            process.kill()
            process.wait(timeout=PATIENCE_S)

    def events(self) -> list[dict[str, Any]]:
        """Return all complete events."""
        lines = self.journal.read_bytes().split(b"\n")[:-1] if self.journal.exists() else []
        return [json.loads(line) for line in lines]

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.root / name).read_text())

    def outside(self) -> Counter[str]:
        """Count the lines that the commands wrote to the outside file."""
        return Counter((self.folder / "outside").read_text().split())


def steps_in(journal: Path) -> int:
    return journal.read_bytes().count(STEP) if journal.exists() else 0


def kill(place: Place, dice: random.Random, moment: str, steps: int) -> str:
    """Run some steps, and kill the process at a moment; return the operation it was killed in."""
    before = len(place.deaths)
    if moment == FROM_OUTSIDE:
        return kill_from_outside(place, steps, dice.uniform(0.0, 0.05))
    process = place.start(moment, str(steps), str(dice.choice([0, 0, 0, 1, 5])))
    try:
        code = process.wait(timeout=MAX_PROCESS_S)
    finally:
        process.kill()
        process.wait(timeout=PATIENCE_S)
    assert code == -signal.SIGKILL
    [death] = place.deaths[before:]
    return death


def kill_from_outside(place: Place, steps: int, pause: float) -> str:
    """Start a process, and kill it from outside some time after so many steps."""
    goal = steps_in(place.journal) + steps
    size = place.journal.stat().st_size if place.journal.exists() else -1
    process = place.start()
    until = time.monotonic() + MAX_PROCESS_S
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
    assert process.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    return FROM_OUTSIDE


def moments(dice: random.Random, number: int) -> Iterator[str]:
    """Yield moments: all kinds equally often, beginning with the important ones."""
    kinds = [*MOMENTS[:3], FROM_OUTSIDE, *MOMENTS[3:]]
    for index in range(number):
        if index and index % len(kinds) == 0:
            dice.shuffle(kinds)
        yield kinds[index % len(kinds)]


def kill_repeatedly(place: Place, dice: random.Random, steps: int) -> list[tuple[str, int]]:
    """Kill one run at moments over its whole length; return each operation and number of events."""
    ends: list[tuple[str, int]] = []
    for index, moment in enumerate(moments(dice, KILLS)):
        # At least 40 steps remain after the last goal, so that every kind of operation still
        # happens.
        goal = int((index + dice.random()) / KILLS * (steps - 40))
        death = kill(place, dice, moment, max(0, goal - steps_in(place.journal)))
        ends.append((death, len(place.events())))
    return ends


def stage_of(event: dict[str, Any]) -> Stage:
    return (event.get("branch") or "", event["node"], event["visit"])


def attempt_of(event: dict[str, Any]) -> tuple[Stage, int]:
    return (stage_of(event), event["attempt"])


def steps_of(events: Sequence[dict[str, Any]]) -> list[Stage]:
    """Return the stages whose result is saved."""
    saved = [one for one in events if one["type"] == "CheckpointSaved" and one.get("node")]
    return [stage_of(one) for one in saved]


def require_only_stages_in_flight_repeated(
    events: Sequence[dict[str, Any]], ends: Sequence[int]
) -> int:
    """Require that only attempts in flight began again; return their number."""
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
        # In each process, each walk may repeat one stage; a fork and its branches are resumed.
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


def result_of(place: Place) -> dict[str, Any]:
    """Return the result of a run without measured times."""
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
def test_repeatedly_killed_run_has_the_same_result(tmp_path: Path) -> None:
    assert len(parse(write_pipeline()).nodes) == NODES
    seed = os.environ.get("SEED", "sixty kills")
    undisturbed = Place(tmp_path / "undisturbed").make()
    assert undisturbed.run_to_end() == 0
    steps = steps_in(undisturbed.journal)
    killed = Place(tmp_path / "killed").make()
    ends = kill_repeatedly(killed, random.Random(seed), steps)
    assert killed.run_to_end() == 0
    message = f"SEED={seed!r}: {ends}"
    assert result_of(killed) == result_of(undisturbed), message
    assert verify_file(killed.journal).flaw is None, message
    events = killed.events()
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1)), message
    again = require_only_stages_in_flight_repeated(events, [at for _, at in ends])
    require_spread(ends, steps_in(killed.journal), len(events))
    # A command that was killed may already have written to the outside file.
    more = killed.outside() - undisturbed.outside()
    assert not undisturbed.outside() - killed.outside(), message
    assert sum(more.values()) <= again, message
    assert [one.name for one in killed.root.rglob("*.tmp")] == [], message


def require_spread(ends: Sequence[tuple[str, int]], steps: int, events: int) -> None:
    """Require that the kills are spread over the whole run and over the kinds of operations."""
    deaths = Counter(death for death, _ in ends)
    assert sum(deaths.values()) == KILLS
    # A kind of operation that does not happen soon is replaced by another one.
    assert len(deaths) >= min(KILLS - 2, len(MOMENTS) - 3), deaths
    thirds = Counter(min(2, at * 3 // events) for _, at in ends)
    assert len(thirds) == 3, (ends, steps)
