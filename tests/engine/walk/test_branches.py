"""Branches of a run: their workspaces, their events, and their resume."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.base.json import Json
from attractor.engine.outcome import Outcome, StageStatus, Usage, success
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Stage
from attractor.engine.stage.no_workspace import NoEnvironment, NoWorkspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.walks import Branch
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Plain
from tests.engine.forked import branch_steps, forked, results, until_there_is, words, wrote
from tests.engine.graphs import chain, node
from tests.engine.runs import RETRY, Script, Workplace
from tests.patience import until, with_longer_limits

A, B = "fan@1.1/a", "fan@1.1/b"


class OpenedOnce(NoEnvironment):
    """An environment that can be opened only once at a time."""

    def __init__(self) -> None:
        self.opened = 0

    async def initialize(self) -> None:
        assert not self.opened, "it is open already"
        self.opened += 1

    async def cleanup(self) -> None:
        self.opened -= 1


class Folders(NoWorkspace):
    """A workspace in memory: file names by dimension; a tree is the list of its file names."""

    sets_back = True  # pyright: ignore

    def __init__(
        self, name: str = "", all: dict[str, set[str]] | None = None, notes: list[str] | None = None
    ) -> None:
        super().__init__(OpenedOnce())
        self.name = name
        self.all: dict[str, set[str]] = {"": set()} if all is None else all
        self.notes: list[str] = [] if notes is None else notes

    @property
    def files(self) -> set[str]:
        return self.all[self.name]

    async def snapshot(self, subject: str) -> TreeId:
        return " ".join(sorted(self.files))

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        if self.files != set(tree.split()):
            where = set_aside.parent.name if set_aside else "nowhere"
            self.notes.append(f"{self.name or 'main'}: {sorted(self.files)} to {tree!r}, {where}")
            self.all[self.name] = set(tree.split())

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        return sorted(set(since.split()) ^ set(until.split()))

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Folders":
        if shared:
            return Folders(self.name, self.all, self.notes)
        self.notes.append(f"{'found' if name in self.all else 'made'} {name}")
        self.all.setdefault(name, set(tree.split()))
        return Folders(name, self.all, self.notes)

    async def discard(self, name: str) -> None:
        if self.all.pop(name, None) is not None:
            self.notes.append(f"discarded {name}")

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        self.all[self.name] = {one for tree in trees for one in tree.split()}
        return []


async def hang(stage: Stage) -> Outcome:
    await asyncio.Event().wait()
    return success()


def without(graph: Graph, *ways: tuple[str, str], **nodes: Node) -> Graph:
    """Return a graph without some edges, and with some nodes replaced."""
    kept = tuple(one for one in graph.edges if (one.source, one.target) not in ways)
    return Graph(graph.name, {**graph.nodes, **nodes}, kept, graph.attributes)


async def write(stage: Stage) -> Outcome:
    """Write a file with the name of the node, and report all files in the context."""
    assert isinstance(stage.workspace, Folders)
    stage.workspace.files.add(stage.node.id)
    seen: list[Json] = [*sorted(stage.workspace.files)]
    return wrote(**{f"saw_{stage.node.id}": seen})


def run(
    tmp_path: Path, graph: Graph, script: Script | None = None
) -> tuple[RunResult, Workplace, Folders]:
    place, folders = Workplace(tmp_path / "run", graph, script), Folders()
    place.workspace = folders
    return place.run(), place, folders


def test_a_retry_where_others_work_too_does_not_undo_their_work(tmp_path: Path) -> None:
    async def again(stage: Stage) -> Outcome:
        await write(stage)
        return RETRY if stage.attempt == 1 else success()

    nodes = [node("a", max_retries=1, retry_policy="none")]
    shared = forked("a", "b", nodes=nodes, fan={"isolation": "shared"})
    _, _, folders = run(tmp_path / "shared", shared, {"a": again, "b": write})
    assert folders.all == {"": {"a", "b"}}
    assert folders.notes == []
    alone = forked("a", "b", nodes=nodes)
    _, _, folders = run(tmp_path / "alone", alone, {"a": again, "b": write})
    assert f"{A}: ['a'] to '', history" in folders.notes


def test_usage_counts_once_canceled_branches_included(tmp_path: Path) -> None:
    used = Outcome(StageStatus.SUCCESS, usage=Usage(10, 1, 0.5))

    async def late(stage: Stage) -> Outcome:
        await until_there_is(stage, "hang")
        return used

    graph = forked("slow hang", "a", fan={"join_policy": "first_success"})
    result, place, _ = run(tmp_path, graph, {"slow": used, "hang": hang, "a": late})
    assert words(place) == ["slow canceled", "a success"]
    assert result.usage == Usage(20, 2, 1.0)
    usage = place.json("final.json")["usage"]
    assert isinstance(usage, dict)
    assert usage["input_tokens"] == 20


def test_retried_fork_walks_new_branches_and_counts_both(tmp_path: Path) -> None:
    used = Outcome(StageStatus.SUCCESS, usage=Usage(10))
    paid = Outcome(StageStatus.FAIL, failure_reason="no", usage=Usage(1))
    policy: dict[str, Plain] = {"join_policy": "quorum", "max_retries": 1, "retry_policy": "none"}
    graph = forked("a", "b", fan=policy)
    result, place, folders = run(tmp_path, graph, {"a": used, "b": [paid, used]})
    assert result.usage == Usage(31)
    assert list(branch_steps(place)) == [A, B, "fan@1.2/a", "fan@1.2/b"]
    assert place.handler.calls == [("a", 1, 1), ("b", 1, 1), ("a", 2, 1), ("b", 2, 1)]
    assert set(folders.all) == {""}
    with place.open() as opened:
        # The failed attempt is not part of the walk.
        assert (opened.progress.visits("a"), opened.progress.visits("b")) == (1, 1)


def test_a_branch_that_ended_is_not_walked_again_and_has_its_old_end(tmp_path: Path) -> None:
    deaths: list[str] = []

    async def die(stage: Stage) -> Outcome:
        if not deaths:
            await until(lambda: place.events("ParallelBranchCompleted"))
            deaths.append(stage.node.id)
            raise KeyboardInterrupt
        return success()

    place = Workplace(tmp_path / "run", forked("a", "b"), {"a": success("done", x=1), "b": die})
    with pytest.raises(KeyboardInterrupt):
        place.run()
    before = len(place.events("ParallelBranchCompleted"))
    assert before == 1
    place.run()
    assert place.handler.nodes == ["a", "b", "b"]
    assert [one["context_updates"] for one in results(place)] == [{"x": 1}, {}]
    assert len(place.events("ParallelBranchStarted")) == 2
    assert len(place.events("ParallelBranchCompleted")) == 2


def test_canceled_branch_stays_canceled_after_a_crash(tmp_path: Path) -> None:
    graph = forked("slow", "a", fan={"join_policy": "first_success"})

    place, folders = Workplace(tmp_path / "run", graph, {"slow": hang}), Folders()
    place.workspace = folders

    class Dying(Folders):
        async def discard(self, name: str) -> None:
            if name.endswith("slow"):
                raise KeyboardInterrupt
            await super().discard(name)

    place.workspace = Dying("", folders.all, folders.notes)
    with pytest.raises(KeyboardInterrupt):
        place.run()
    place.workspace = folders
    place.run()
    assert words(place) == ["slow canceled", "a success"]
    assert place.handler.nodes.count("slow") == 1
    assert len(place.events("ParallelBranchCompleted")) == 2
    assert set(folders.all) == {""}


def test_inner_branches_are_canceled_with_outer_branch(tmp_path: Path) -> None:
    async def late(stage: Stage) -> Outcome:
        await until_there_is(stage, "y")
        return success()

    nodes = [node("in", "component"), node("meet", "tripleoctagon")]
    ways = [*chain("fan", "in", "x", "meet", "join"), *chain("in", "y", "meet")]
    graph = forked("b", nodes=nodes, edges=ways, fan={"join_policy": "first_success"})
    result, place, folders = run(tmp_path, graph, {"x": hang, "y": hang, "b": late})
    assert result.outcome is StageStatus.SUCCESS
    assert words(place) == ["b success", "in canceled"]
    assert set(folders.all) == {""}
    gone = [note for note in folders.notes if note.startswith("discarded")]
    assert len(gone) == 4
    with place.open() as opened:
        assert list(opened.state.walks) == [""]


def test_fork_that_times_out_cancels_its_branches(tmp_path: Path) -> None:
    def play(limit_s: float) -> None:
        time_out(tmp_path / f"{limit_s}", timedelta(seconds=limit_s))

    with_longer_limits(play, first_s=0.3)


def time_out(folder: Path, limit: timedelta) -> None:
    folder.mkdir()
    fan: dict[str, Plain] = {"timeout": limit, "max_retries": 1, "retry_policy": "none"}
    result, place, folders = run(folder, forked("a", "b", fan=fan), {"a": hang})
    assert result.outcome is StageStatus.FAIL
    assert result.reason.startswith("timed out after ")
    recorded = [
        (one.branch, one.data["outcome"]) for one in place.events("ParallelBranchCompleted")
    ]
    assert recorded == [
        (B, "success"),
        (A, "canceled"),
        ("fan@1.2/b", "success"),
        ("fan@1.2/a", "canceled"),
    ]
    assert set(folders.all) == {""}


def test_machine_error_in_a_branch_is_no_outcome(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", forked("a", "b"))
    in_the_way = tmp_path / "run" / "a"
    in_the_way.write_text("a file where the stage's folder belongs")
    with pytest.raises(FileError):
        place.run()
    in_the_way.unlink()
    assert place.run().outcome is StageStatus.SUCCESS
    assert words(place) == ["a success", "b success"]


def test_custom_handler_may_walk_any_branch(tmp_path: Path) -> None:
    """`Branches` keeps its promises in every handler, not only in a fork."""

    class Detour:
        async def execute(self, stage: Stage) -> Outcome:
            branch = Branch("side", "x", "y", {"given": 1})
            end = await stage.branches.walk(branch, isolated=False)
            assert stage.branches.fork is None or stage.branches.fork.node == "a"
            return success(end.name, seen=end.updates.get("got"))

    async def look(stage: Stage) -> Outcome:
        return success(got=stage.context.get("given"))

    graph = forked("b", edges=[*chain("start", "a", "exit"), *chain("a", "x", "y", "exit")])
    graph = without(graph, ("start", "fan"), a=node("a", type="detour"))
    place = Workplace(tmp_path / "run", graph, {"x": look})
    place.handlers["detour"] = Detour()
    result = place.run()
    assert result.completed[:3] == ("start", "x", "a")
    assert branch_steps(place) == {"a@1.1/side": ["x"]}
    with place.open() as opened:
        assert opened.progress.context["seen"] == 1


def test_branch_left_open_by_a_handler_is_canceled(tmp_path: Path) -> None:
    class Careless:
        async def execute(self, stage: Stage) -> Outcome:
            walking = stage.branches.walk(Branch("side", "x", "exit"), isolated=True)
            task = asyncio.create_task(walking)
            await until_there_is(stage, "x")
            task.cancel()
            await asyncio.wait([task])
            raise ValueError("forgot it")

    graph = forked("b", edges=[*chain("start", "a", "exit"), *chain("a", "x", "exit")])
    graph = without(graph, ("start", "fan"), a=node("a", type="careless"))
    place, folders = Workplace(tmp_path / "run", graph, {"x": hang}), Folders()
    place.handlers["careless"] = Careless()
    place.workspace = folders
    result = place.run()
    assert result.reason == "ValueError: forgot it"
    [given_up] = place.events("ParallelBranchCompleted")
    assert given_up.data["reason"] == "the stage ended before the branch ended"
    assert set(folders.all) == {""}
