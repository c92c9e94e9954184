"""Dimensions that changed the same files, and work that declares the same files."""

import asyncio
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest

from attractor.base.errors import ExitCode
from attractor.base.locks import FileLock
from attractor.config.settings import WorldsSettings
from attractor.environments.orphan_processes import MARK
from attractor.factory.open_project import OpenProject
from attractor.workspaces.overlap import Overlap
from attractor.worlds.dimensions import add_dimension, list_dimensions
from attractor.worlds.touches import (
    DeclaredWork,
    touches_of_file,
    warn_of_overlap,
    work_in_progress,
)
from tests.cli.git_desk import UNGUARDED, GitDesk, events
from tests.factory.flows import make_flow
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import LINEAR, adjusted
from tests.prepared import begin_prepared
from tests.worlds.flows import actor_in

# Fails if another run is between both commands.
ALONE = """
digraph alone {
    graph [touches="src/**"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [shape=parallelogram, max_retries=0, tool_command="COMMAND"]
    start -> work -> exit
}
"""


class WaitDesk(GitDesk):
    """A project whose overlapping runs wait for each other."""

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, "ATTRACTOR_WORLDS__OVERLAP": "wait"}

    def begin_first(self) -> Path:
        """Begin a run that works until `end_first`."""
        until = f"until test -e {self.folder}/over; do sleep 0.1; done"
        beside = f"mkdir {self.folder}/alone && sleep 0.3 && rmdir {self.folder}/alone"
        self.make(
            ALONE.replace("COMMAND", beside),
            **{
                "first.dot": ALONE.replace("COMMAND", until),
                "docs.dot": ALONE.replace("src", "docs").replace("COMMAND", "true"),
            },
        )
        self.begin("run", "first.dot", *UNGUARDED)
        wait_until(lambda: self.runs() and self.status(self.runs()[0])["stage"])
        return self.runs()[0]

    def end_first(self) -> None:
        (self.folder / "over").touch()

    def status(self, root: Path) -> Any:
        return self.json("status", root.name)

    def await_waiting(self, count: int) -> list[Path]:
        """Wait until this many runs wait, and return them."""

        def waiting() -> list[Path]:
            return [root for root in self.runs() if self.status(root)["status"] == "waiting"]

        wait_until(lambda: len(waiting()) == count)
        return waiting()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WaitDesk]:
    desk = WaitDesk(tmp_path)
    yield desk
    desk.end()


def test_list_of_dimensions_has_their_overlaps(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    for name, text in (("first", "hello\nfirst\n"), ("second", "hello\nsecond\n"), ("third", "")):
        dimension = asyncio.run(add_dimension(flow.opened, name))
        file = "readme.txt" if text else "other.txt"
        Path(dimension.folder, file).write_text(text)
    views = {one.dimension.name: one for one in asyncio.run(list_dimensions(flow.opened))}
    assert views["first"].overlaps == [Overlap("second", ["readme.txt"], ["readme.txt"])]
    assert views["second"].overlaps == [Overlap("first", ["readme.txt"], ["readme.txt"])]
    assert views["third"].overlaps == ()


def test_start_warns_of_work_that_declares_the_same_files(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.opened.identity.create_id()
    actor_in(flow.opened, "ann", touches="src/api/**")
    actor_in(flow.opened, "bob", touches="docs/**")
    actor_in(flow.opened, "carl")
    file = flow.project / "api.dot"
    file.write_text(LINEAR.replace("graph [", 'graph [touches="src/**" '))
    touches = touches_of_file(file, flow.opened)
    said: list[str] = []
    opened = adjusted(flow.opened.project, tell=said.append)
    warn_of_overlap(OpenProject(opened), touches)
    assert said == ["Warning: actor ann may change the same files: src/**."]
    allowed = adjusted(opened, worlds=WorldsSettings(overlap="allow"))
    warn_of_overlap(OpenProject(allowed), touches)
    assert len(said) == 1


def test_runs_wait_for_overlapping_work_and_then_for_each_other(desk: WaitDesk) -> None:
    first = desk.begin_first()
    others = [desk.begin("run", "pipeline.dot", *UNGUARDED) for _ in range(2)]
    waiting = desk.await_waiting(2)
    assert desk.status(waiting[0])["wait"]["reason"] == "overlap"
    reason = f"run {first.name} may change the same files: src/**"
    wait_until(lambda: desk.status(waiting[0])["reason"] == reason)
    shown = desk.do("status", waiting[0].name).stdout
    assert "status     running (waits for overlap)" in shown
    assert reason in shown
    assert desk.do("run", "docs.dot", *UNGUARDED).returncode == 0
    desk.end_first()
    assert [process.wait(PATIENCE_S) for process in others] == [0, 0]
    begun = [events(root, "StageStarted")[0]["time"] for root in waiting]
    assert begun == sorted(begun)


def test_run_that_waits_is_interrupted_resumed_and_canceled(desk: WaitDesk) -> None:
    desk.begin_first()
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    [waiting] = desk.await_waiting(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    assert desk.status(waiting)["stopped"]
    resumed = desk.begin("resume", waiting.name)
    wait_until(lambda: desk.status(waiting)["live"])
    assert desk.status(waiting)["status"] == "waiting"
    assert desk.do("cancel", waiting.name).returncode == 0
    assert resumed.wait(PATIENCE_S) == 1
    assert desk.status(waiting)["status"] == "canceled"
    again = desk.begin("run", "pipeline.dot", *UNGUARDED)
    desk.await_waiting(1)
    desk.end_first()
    assert again.wait(PATIENCE_S) == 0


def test_spawn_waits_for_overlapping_work(desk: WaitDesk) -> None:
    desk.begin_first()
    words = ("Do it", "--with", "simulate", "--name", "ann", "--touches", "src/api/**")
    process = desk.begin("actor", "spawn", *words)
    with pytest.raises(Exception, match="timed out"):
        process.wait(2)
    assert desk.json("actor", "list") == []
    desk.end_first()
    assert process.wait(PATIENCE_S) == 0
    [actor] = desk.json("actor", "list")
    assert actor["name"] == "ann"


def test_spawn_in_a_stage_is_refused_before_it_waits_for_its_own_run(desk: WaitDesk) -> None:
    first = desk.begin_first()
    words = ("actor", "spawn", "Do it", "--with", "simulate", "--touches", "src/api/**")
    in_stage = {**desk.environ, MARK: f"{first.name}.12-34.56"}
    process = begin_prepared(words, folder=desk.project, variables=in_stage, stdout=DEVNULL)
    desk.started.append(process)
    assert process.wait(PATIENCE_S) == ExitCode.REFUSED


def test_actor_is_waited_for_while_its_process_works(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.opened.identity.create_id()
    ann = actor_in(flow.opened, "ann", touches="src/**")
    assert [one.is_at_work for one in work_in_progress(flow.opened)] == [False]
    with FileLock(ann.lock).acquire():
        assert [one.precedes("B") for one in work_in_progress(flow.opened)] == [True]


def test_of_two_runs_that_wait_the_older_one_goes_first() -> None:
    older, younger = (DeclaredWork(f"run {one}", [], one, waits=True) for one in "AB")
    assert (older.precedes("B"), younger.precedes("A"), older.precedes("A")) == (True, False, False)
    assert DeclaredWork("run B", [], "B").precedes("A")
