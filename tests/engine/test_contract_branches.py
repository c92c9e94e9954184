"""Contract of Branches: in a run, in a simulation, and as a fake."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.base.registry import find_shortcoming
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Branches, Stage, Waiting
from attractor.engine.simulation.walk import walk
from attractor.engine.state.walks import Branch
from attractor.language.graph.graph import Graph
from tests.engine.branches import FAIL, MEETING, GivenBranches
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL as BROKEN, Scripted, Workplace, handlers_of
from tests.patience import PATIENCE_S

NAMES = ("a", "bad", "gate", "größe 🐍")
GRAPH: Graph = graph(
    [start(), end(), node("it", type="probe"), node("join", "tripleoctagon")],
    [edge("start", "it"), *(one for name in NAMES for one in chain("it", name, "join", "exit"))],
)
Scene = Callable[["AttemptBranches"], Awaitable[None]]


@dataclass
class AttemptBranches:
    """The branches of one attempt, and the stages that ran in them."""

    branches: Branches
    done: Callable[[], list[str]]

    async def walk(self, name: str) -> tuple[str, StageStatus, str]:
        end = await self.branches.walk(branch(name), isolated=True)
        return end.name, end.status, end.reason


def branch(name: str) -> Branch:
    return Branch(name, name, "join")


async def wait(stage: Stage) -> Outcome:
    raise Waiting("asked")


async def written(stage: Stage) -> Outcome:
    await asyncio.sleep(0)
    return success()


class Probe:
    """A stage that plays the scene; an error in the scene fails the test."""

    def __init__(self, scene: Scene, done: Callable[[], list[str]]) -> None:
        self.scene, self.done = scene, done
        self.error: BaseException | None = None
        self.played = False

    async def execute(self, stage: Stage) -> Outcome:
        try:
            await self.scene(AttemptBranches(stage.branches, self.done))
        except BaseException as error:
            self.error = error
            raise
        self.played = True
        return success()


def scripted() -> Scripted:
    return Scripted({"bad": BROKEN, "gate": wait, "a": written})


def in_a_run(scene: Scene, tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", GRAPH)
    place.handler.script = scripted().script
    probe = Probe(scene, lambda: place.handler.nodes)
    place.handlers["probe"] = probe
    place.run()
    require_played(probe)


def in_a_simulation(scene: Scene, tmp_path: Path) -> None:
    handler = scripted()
    probe = Probe(scene, lambda: handler.nodes)
    asyncio.run(walk(GRAPH, {**handlers_of(handler), "probe": probe}))
    require_played(probe)


def given(scene: Scene, tmp_path: Path) -> None:
    branches = GivenBranches({"bad": FAIL, "gate": Waiting("asked")}, fork=MEETING)
    asyncio.run(_await(scene(AttemptBranches(branches, lambda: branches.names))))


async def _await(scene: Awaitable[None]) -> None:
    await asyncio.wait_for(asyncio.ensure_future(scene), PATIENCE_S)


def require_played(probe: Probe) -> None:
    if probe.error is not None:
        raise probe.error
    assert probe.played


everybody = pytest.mark.parametrize("play", [in_a_run, in_a_simulation, given])
Play = Callable[[Scene, Path], None]


@everybody
def test_branches_are_walked(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        assert find_shortcoming(it.branches, Branches) == ""
        assert it.branches.at_once is None or it.branches.at_once > 0
        assert it.branches.fork is not None
        assert it.branches.fork.meeting == "join"

    play(scene, tmp_path)


@everybody
def test_branch_has_its_own_end(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        assert await it.walk("a") == ("a", StageStatus.SUCCESS, "")
        name, status, reason = await it.walk("bad")
        assert (name, status) == ("bad", StageStatus.FAIL)
        assert "broken" in reason
        assert (await it.walk("größe 🐍"))[:2] == ("größe 🐍", StageStatus.SUCCESS)

    play(scene, tmp_path)


@everybody
def test_no_two_branches_have_one_key(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        ended = [await it.branches.walk(branch(one), isolated=True) for one in ("a", "bad")]
        canceled = [await it.branches.give_up(branch(one)) for one in ("gate", "größe 🐍")]
        assert len({one.key for one in [*ended, *canceled]}) == 4

    play(scene, tmp_path)


@everybody
def test_ended_branch_is_not_walked_again(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        first = await it.branches.walk(branch("a"), isolated=True)
        assert it.done() == ["a"]
        assert await it.branches.walk(branch("a"), isolated=True) == first
        assert await it.branches.give_up(branch("a")) == first
        assert it.done() == ["a"]

    play(scene, tmp_path)


@everybody
def test_canceled_branch_has_not_succeeded(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        for _ in range(2):
            end = await it.branches.give_up(branch("a"))
            assert (end.name, end.is_canceled, end.status.is_success) == ("a", True, False)
        assert it.done() == []

    play(scene, tmp_path)


@everybody
def test_halt_in_branch_is_raised_to_caller(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        for _ in range(2):
            # A branch that is walked again waits again.
            with pytest.raises(Waiting, match="asked"):
                await it.walk("gate")
        assert await it.walk("a") == ("a", StageStatus.SUCCESS, "")
        assert (await it.branches.give_up(branch("gate"))).is_canceled

    play(scene, tmp_path)


@everybody
def test_canceling_rest_keeps_ended_branches(play: Play, tmp_path: Path) -> None:
    async def scene(it: AttemptBranches) -> None:
        first = await it.branches.walk(branch("a"), isolated=False)
        with pytest.raises(Waiting):
            await it.walk("gate")
        for _ in range(2):
            await it.branches.give_up_rest()
        assert await it.branches.give_up(branch("a")) == first
        assert (await it.branches.give_up(branch("gate"))).is_canceled

    play(scene, tmp_path)
