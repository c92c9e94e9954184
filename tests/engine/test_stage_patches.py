"""Every stage that changed files leaves a patch of them, which git takes."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from attractor.engine import patches
from attractor.engine.no_workspace import NoWorkspace
from attractor.engine.outcome import Outcome, success
from attractor.engine.patches import Patch, make_patch, written
from attractor.engine.seams import Stage, TreeId
from attractor.engine.secrets import Redactor
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.errors import GitFailed
from tests.engine.forked import forked
from tests.engine.graphs import chain, end, graph, line, node, start
from tests.engine.runs import RETRY, Script, Workplace
from tests.workspaces.projects import Project, contents, git, write

Files = Mapping[str, str | bytes]
ODD: Files = {
    "größe 🐍.txt": "grüße\n",
    'a "quoted"\tname': "x\n",
    "no newline": "at the end",
    "latin.txt": b"gr\xfc\xdfe\n",
    "binary": bytes(range(256)) * 20,
    "deep/er/file": "deep\n",
    "todo.py": "changed\n",
    "b/b b/b": "b\n",
}


def writing(files: Files) -> Callable[[Stage], Awaitable[Outcome]]:
    """Return work that writes files into the workspace."""

    async def work(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, Dimension)
        write(stage.workspace.folder, files)
        return success()

    return work


async def walked(place: Workplace, below: Path) -> Dimension:
    workspace = await Project.made(below).workspace()
    place.workspace = workspace
    await place.walk()
    return workspace


def run(tmp_path: Path, script: Script, *ids: str) -> tuple[Workplace, Dimension]:
    place = Workplace(tmp_path / "run", line(*ids), script)
    return place, asyncio.run(walked(place, tmp_path))


def test_a_patch_leads_from_what_the_stage_began_with_to_what_it_left(tmp_path: Path) -> None:
    place, workspace = run(
        tmp_path, {"a": writing(ODD), "b": writing({"todo.py": "again\n"})}, "a", "b"
    )
    copy = tmp_path / "copy"
    asyncio.run(workspace.export(workspace.base.candidate, copy))
    git(copy, "init", "--quiet")
    for id_ in ("a", "b"):
        git(copy, "apply", "--whitespace=nowarn", str(place.root / id_ / "diff.patch"))
    assert contents(copy) == contents(workspace.folder)


def test_what_a_stage_removed_is_in_its_patch(tmp_path: Path) -> None:
    async def remove(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, Dimension)
        (stage.workspace.folder / "todo.py").unlink()
        return success()

    place, _ = run(tmp_path, {"a": remove}, "a")
    assert "deleted file" in (place.root / "a" / "diff.patch").read_text()


def test_a_stage_that_changed_nothing_has_no_patch(tmp_path: Path) -> None:
    place, _ = run(tmp_path, {"b": writing({"new": "x"})}, "a", "b", "c")
    assert [id_ for id_ in "abc" if (place.root / id_ / "diff.patch").exists()] == ["b"]


def test_without_trees_there_is_no_patch(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.workspace = NoWorkspace()
    place.run()
    assert not list(place.root.glob("**/diff.patch"))


def test_a_visit_of_several_attempts_has_one_patch_and_an_earlier_one_is_in_the_history(
    tmp_path: Path,
) -> None:
    calls = 0

    async def work(stage: Stage) -> Outcome:
        nonlocal calls
        calls += 1
        done = await writing({f"file{calls}": "x\n"})(stage)
        return RETRY if calls == 1 else done

    again = node("a", max_retries=1, retry_policy="none", retry_from="left")
    place = Workplace(
        tmp_path / "run",
        graph([start(), end(), again, node("b", goal_gate=True, retry_target="a", max_visits=2)],
              chain("start", "a", "b", "exit")),
        {"a": work, "b": [Outcome(RETRY.status), success()]},
    )  # fmt: skip
    asyncio.run(walked(place, tmp_path))
    folder = place.root / "a"
    assert "file1" in (folder / "history" / "1.2" / "diff.patch").read_text()
    assert "file2" in (folder / "history" / "1.2" / "diff.patch").read_text()
    assert "file3" in (folder / "diff.patch").read_text()
    assert "file2" not in (folder / "diff.patch").read_text()


def test_the_stages_of_a_branch_have_their_own(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", forked("a", "b"), {"a": writing({"mine": "a\n"})})
    asyncio.run(walked(place, tmp_path))
    assert "mine" in (place.root / "a" / "diff.patch").read_text()
    assert not (place.root / "b" / "diff.patch").exists()


def test_a_secret_is_no_part_of_a_patch_and_that_is_said(tmp_path: Path) -> None:
    place = Workplace(
        tmp_path / "run",
        line("a"),
        {"a": writing({"env": "token=hush-hush-hush\n", "raw": b"\xff hush-hush-hush\n"})},
    )
    place.redactor = Redactor(["hush-hush-hush"])
    asyncio.run(walked(place, tmp_path))
    patch = (place.root / "a" / "diff.patch").read_bytes()
    assert b"hush-hush" not in patch
    assert b"+token=***" in patch
    assert b"\xff ***" in patch
    assert patch.startswith(b"What was a secret is *** here")
    applied = subprocess.run(["git", "apply"], input=patch, cwd=tmp_path, check=False)
    assert applied.returncode != 0
    assert not (tmp_path / "env").exists()


async def changed_by(below: Path, files: Files, *, most: int) -> tuple[Dimension, TreeId, Patch]:
    workspace = await Project.made(below).workspace()
    write(workspace.folder, files)
    tree = await workspace.snapshot("big")
    return workspace, tree, await make_patch(workspace, workspace.base.candidate, tree, most=most)


BIG: Files = {
    "a": "a\n",
    "blob": b"\0" + bytes(range(256)) * 100,
    "c": "c\n",
    'd "d"': "d\n",
    "long": "line\n" * 5000,
    "z": "z\n",
}


def test_a_patch_that_is_too_long_has_whole_files_and_names_the_others(tmp_path: Path) -> None:
    workspace, _, patch = asyncio.run(changed_by(tmp_path, BIG, most=2000))
    assert patch.left_out == ("blob", "long", "z")
    content = written(patch, Redactor()).content
    assert content.startswith(b"Left out, for the patch would be too long: 3 changed file(s).\n")
    assert len(patch.content) <= 2000
    copy = tmp_path / "copy"
    asyncio.run(workspace.export(workspace.base.candidate, copy))
    git(copy, "init", "--quiet")
    (tmp_path / "patch").write_bytes(content)
    git(copy, "apply", str(tmp_path / "patch"))
    expected = {name: one for name, one in BIG.items() if name not in patch.left_out}
    assert {name: contents(copy)[name].decode() for name in expected} == expected
    assert not (copy / "long").exists()


def test_what_binary_files_hold_makes_room_for_the_others(tmp_path: Path) -> None:
    files: Files = {"a blob": os_random(), "z": "z\n"}
    _, _, patch = asyncio.run(changed_by(tmp_path, files, most=20_000))
    assert patch.left_out == ("a blob",)
    assert b"+z\n" in patch.content


def os_random() -> bytes:
    """Return bytes that cannot be compressed, the same in every run."""
    state, made = 1, bytearray(b"\0")
    for _ in range(40_000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        made.append(state >> 16 & 0xFF)
    return bytes(made)


def test_many_names_are_counted() -> None:
    names = tuple(f"file{number}" for number in range(60))
    told = written(Patch(b"", names), Redactor()).content.decode()
    assert "60 changed file(s)" in told
    assert "and 10 more" in told
    assert "file59" not in told


class Slow(NoWorkspace):
    """Knows of a change, and takes for ever to say which."""

    async def snapshot(self, subject: str) -> TreeId:
        return subject

    async def changed(self, since: TreeId, until: TreeId) -> list[str]:
        return ["file"]

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        await asyncio.Event().wait()
        return b""


def test_a_patch_that_lasts_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "PATIENCE_S", 0.01)
    place = Workplace(tmp_path / "run", line("a", "b"))
    place.workspace = Slow()
    assert place.run().exit_code == 0
    [told] = [one for one in place.events("PatchLeftOut") if one.node == "b"]
    assert (told.data["count"], told.data["paths"]) == (1, ["file"])


class Failing(Slow):
    """Has a git that fails."""

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        raise GitFailed("git is out of order")


def test_trouble_with_git_holds_no_run_up(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a", "b"))
    place.workspace = Failing()
    assert place.run().exit_code == 0
    [told] = [one for one in place.events("PatchLeftOut") if one.node == "b"]
    assert "git is out of order" in str(told.data["why"])
