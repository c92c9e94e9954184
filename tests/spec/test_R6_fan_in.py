"""Ruling R6: branches in their own dimensions, and results adopted by a fan-in."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.engine.forked import forked, results
from tests.engine.graphs import chain, node
from tests.engine.runs import FAIL, Work, Workplace
from tests.patience import PATIENCE_S, until
from tests.pipeline.projects import make_project, open_project, simulated, start
from tests.tables import table
from tests.workspaces.projects import Project, contents


def writing(files: Mapping[str, str], outcome: Outcome | None = None) -> Work:
    """Return the work of a stage that writes files into its folder."""

    async def work(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, TrackedFolder)
        for name, text in files.items():
            (stage.workspace.folder / name).write_text(text)
        return outcome or success()

    return work


def run(
    tmp_path: Path, graph: Graph, **works: Work
) -> tuple[RunResult, Workplace, dict[str, bytes]]:
    """Run a graph on a project; return the result, and the final files."""

    async def walk() -> tuple[RunResult, Workplace, dict[str, bytes]]:
        workspace = await Project.made(tmp_path).workspace()
        place = Workplace(tmp_path / "run", graph, works)
        place.workspace = workspace
        result = await place.walk()
        assert result.tree == await workspace.snapshot("in the end")
        return result, place, contents(workspace.folder)

    return asyncio.run(asyncio.wait_for(walk(), PATIENCE_S))


def fork(**join: Plain) -> Graph:
    return forked("a", "b", join=join)


BOTH = {"todo.py": "print('a')\n", "a.txt": "a\n"}


def test_R6_the_tree_of_the_winner_is_adopted(tmp_path: Path) -> None:
    _, place, found = run(
        tmp_path, fork(), a=writing(BOTH, success(score=1)), b=writing({"b.txt": "b\n"})
    )
    assert (found["a.txt"], found["todo.py"]) == (b"a\n", b"print('a')\n")
    assert "b.txt" not in found
    first, second = results(place)
    assert (first["files_changed"], second["files_changed"]) == (["a.txt", "todo.py"], ["b.txt"])
    assert first["base"] == second["base"] != first["tree"] != second["tree"]


def test_R6_a_branch_sees_nothing_of_the_others_and_all_from_before(tmp_path: Path) -> None:
    async def look(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, TrackedFolder)
        names = sorted(contents(stage.workspace.folder))
        assert "todo.py" in names
        (stage.workspace.folder / f"{stage.node.id}.txt").write_text("x")
        return success(", ".join(name for name in names if name.endswith(".txt")))

    _, place, _ = run(tmp_path, fork(), a=look, b=look)
    assert "b.txt" not in str(results(place)[0]["notes"])
    assert "a.txt" not in str(results(place)[1]["notes"])


def test_R6_trees_of_all_successful_branches_can_be_adopted(tmp_path: Path) -> None:
    graph = forked("a", "b", "c", join={"merge": "all"})
    result, _, found = run(
        tmp_path,
        graph,
        a=writing(BOTH),
        b=writing({"b.txt": "b\n"}),
        c=writing({"c.txt": "c\n"}, FAIL),
    )
    assert result.outcome is StageStatus.SUCCESS
    assert {"a.txt", "b.txt"} <= set(found)
    assert "c.txt" not in found


def test_R6_a_conflict_is_a_named_failure_and_changes_nothing(tmp_path: Path) -> None:
    result, _, found = run(
        tmp_path,
        fork(merge="all"),
        a=writing(BOTH),
        b=writing({"todo.py": "print('b')\n", "b.txt": "b\n"}),
    )
    assert result.outcome is StageStatus.FAIL
    assert result.reason == "merge_conflict: branches changed the same lines of todo.py"
    assert found["todo.py"] == b"print('todo')\n"
    assert not {"a.txt", "b.txt"} & set(found)


def test_R6_fan_in_may_adopt_no_branch(tmp_path: Path) -> None:
    result, _, found = run(tmp_path, fork(merge="none"), a=writing(BOTH), b=writing({"b.txt": "b"}))
    assert result.outcome is StageStatus.SUCCESS
    assert found["todo.py"] == b"print('todo')\n"
    assert not {"a.txt", "b.txt"} & set(found)


def test_R6_all_failed_is_a_failure_and_the_tree_is_as_before(tmp_path: Path) -> None:
    result, _, found = run(tmp_path, fork(), a=writing(BOTH, FAIL), b=writing({}, FAIL))
    assert (result.outcome, result.reason) == (StageStatus.FAIL, "all branches failed")
    assert "a.txt" not in found


def test_R6_branches_may_share_the_workspace_of_the_run(tmp_path: Path) -> None:
    graph = forked("a", "b", fan={"isolation": "shared"})
    _, place, found = run(tmp_path, graph, a=writing(BOTH), b=writing({"b.txt": "b\n"}))
    assert {"a.txt", "b.txt"} <= set(found)
    assert [one["tree"] for one in results(place)] == ["", ""]


def test_R6_inner_fan_in_adopts_into_its_branch(tmp_path: Path) -> None:
    inner = [node("in", "component"), node("meet", "tripleoctagon")]
    ways = [*chain("fan", "in", "x", "meet", "join"), *chain("in", "y", "meet")]
    graph = forked("b", nodes=inner, edges=ways)
    _, place, found = run(
        tmp_path,
        graph,
        b=writing({"b.txt": "b"}, Outcome(StageStatus.PARTIAL_SUCCESS)),
        x=writing({"x.txt": "x"}),
        y=writing({"y.txt": "y"}),
    )
    assert "x.txt" in found
    assert not {"b.txt", "y.txt"} & set(found)
    assert results(place)[1]["files_changed"] == ["x.txt"]


ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
TOOL = "shape=parallelogram, tool_command"
WAIT = "until [ -e $S/{} ]; do sleep 0.01; done"
INNER = (
    "inner [shape=component]; inner -> x -> meet; inner -> y -> meet;"
    "meet [shape=tripleoctagon, merge=all];"
    f'x [{TOOL}="touch $S/x; {WAIT.format("b")}; echo x > x.txt; rm old.txt"];'
    f'y [{TOOL}="echo y > y.txt"];'
)
OTHER = (
    f'b [{TOOL}="{WAIT.format("x")}; echo b > b.txt; touch $S/b"];'
    "b -> join; join [shape=tripleoctagon];"
)


@table(
    "text",
    [
        f"fan [shape=component, isolation=shared]; fan -> inner; fan -> b; meet -> join;"
        f"{INNER} {OTHER} start -> fan; join -> exit",
        "list [prompt=List]; fan [type=for_each, items=last_response, isolation=shared];"
        f"fan -> inner; fan -> b; meet -> join; {INNER} {OTHER} start -> list -> fan; join -> exit",
        "fan [shape=component, isolation=shared]; fan -> child; fan -> b; child -> join;"
        f"child [type=pipeline, file=child]; {OTHER} start -> fan; join -> exit",
    ],
    ids=["parallel", "for_each", "child pipeline"],
)
def test_R6_fan_in_of_a_shared_branch_keeps_the_files_of_other_branches(
    tmp_path: Path, text: str
) -> None:
    child = f"digraph child {{ {ENDS}; {INNER} start -> inner; meet -> exit }}"
    files = {"pipeline.dot": f"digraph outer {{ {ENDS}; {text} }}", "child": child, "old.txt": ""}
    files = {name: one.replace("$S", str(tmp_path)) for name, one in files.items()}
    project = make_project(tmp_path / "project", files.pop("pipeline.dot"), **files)
    request = simulated(project, workspace="in-place")
    ended = asyncio.run(start(request, open_project(project)))
    assert ended.outcome is StageStatus.SUCCESS, ended.reason
    names = {name for name in contents(project) if name.endswith(".txt") and "/" not in name}
    assert names == {"readme.txt", "x.txt", "y.txt", "b.txt"}


def test_R6_branches_resume_from_their_own_tree_after_a_crash(tmp_path: Path) -> None:
    project = Project.made(tmp_path)
    place = Workplace(tmp_path / "run", forked("a a2", "b b2"))
    seen: dict[str, list[str]] = {}

    def half_made() -> list[Path]:
        return list((tmp_path / "state").rglob("half.txt"))

    async def die(stage: Stage) -> Outcome:
        await writing({"half.txt": "half"})(stage)
        await until(lambda: len(half_made()) == 2)
        raise KeyboardInterrupt

    async def hang(stage: Stage) -> Outcome:
        await writing({"half.txt": "half"})(stage)
        await asyncio.Event().wait()
        return success()

    async def look(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, TrackedFolder)
        names = contents(stage.workspace.folder)
        seen[stage.node.id] = sorted(name for name in names if name.endswith(".txt"))
        return await writing({f"{stage.node.id}.txt": "x"})(stage)

    async def walk(workspace: TrackedFolder) -> RunResult:
        place.workspace = workspace
        return await place.walk()

    async def begin() -> RunResult:
        return await walk(await project.workspace())

    async def go_on() -> RunResult:
        return await walk(await project.workspace_again())

    first, second = writing({"a.txt": "a"}), writing({"b.txt": "b"})
    place.handler.script = {"a": first, "b": second, "a2": die, "b2": hang}
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(begin())
    place.handler.script = {"a2": look, "b2": look}
    assert asyncio.run(go_on()).outcome is StageStatus.SUCCESS
    assert sorted(place.handler.nodes) == ["a", "a2", "a2", "b", "b2", "b2"]
    kept = [name for name in seen["a2"] if name not in ("a.txt", "b.txt")]
    assert seen == {"a2": ["a.txt", *kept], "b2": ["b.txt", *kept]}
    assert "half.txt" not in kept
    patches = [one.read_text() for one in (place.root / "incidents").rglob("*.patch")]
    assert len(patches) == 2
    assert all("half.txt" in one for one in patches)
    assert results(place)[0]["files_changed"] == ["a.txt", "a2.txt"]
    assert half_made() == []
