"""`attractor gc` frees files of finished runs; records and live runs are kept."""

import os
import random
import time
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.cli.commands.gc import sweep_text
from attractor.factory.decisions.decide import DecisionKind
from attractor.pipeline.garbage import YET, Sweep
from tests.base.test_files import deep_folder
from tests.cli.git_desk import (
    UNGUARDED,
    GitDesk,
    StartingRuns,
    desk as desk,
    document,
    events,
    starting_runs as starting_runs,
)
from tests.cli.running import ATTRACTOR
from tests.cli.terminals import sit
from tests.counts import count
from tests.factory.flows import make_flow
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
FAILING = f"""digraph failing {{ {ENDS}
    make [shape=parallelogram, tool_command="echo made > made.txt"]
    test [shape=parallelogram, tool_command="exit 7"]
    start -> make -> test -> exit }}
"""
GOOD = FAILING.replace("exit 7", "true")
GATE = f"""digraph gate {{ {ENDS}
    ask [shape=hexagon]; start -> ask; ask -> exit [label="[Y] Yes"] }}
"""
BRANCHES = f"""digraph branches {{ {ENDS}
    fan [shape=component]; meet [shape=tripleoctagon]
    a [shape=parallelogram, tool_command="touch BEGUN.a; sleep 60"]
    b [shape=parallelogram, tool_command="touch BEGUN.b; sleep 60"]
    start -> fan -> a -> meet; fan -> b -> meet -> exit }}
"""
NOW = ("--older-than", "0s")


def contents(folder: Path) -> dict[Path, bytes]:
    found = (one for one in folder.rglob("*") if one.is_file() and "lock" not in one.name)
    return {one.relative_to(folder): one.read_bytes() for one in found}


def freed(desk: GitDesk, *words: str) -> set[tuple[str, str]]:
    return {(one["run_id"], one["what"]) for one in desk.json("gc", *words)["freed"]}


def test_old_drawings_of_the_server_are_removed(desk: GitDesk) -> None:
    desk.make(GATE)
    drawings = desk.state / "server" / "drawings"
    drawings.mkdir(parents=True)
    for name, age in (("old", 8), ("new", 1)):
        (drawings / f"{name}.svg").write_text("<svg/>")
        then = time.time() - timedelta(days=age).total_seconds()
        os.utime(drawings / f"{name}.svg", (then, then))
    # Like a file that another collection has removed: listed, but missing.
    (drawings / "gone.svg").symlink_to("missing")
    assert freed(desk, "--dry-run") == {("", "drawing")}
    assert "drawing (a page that needs it draws it again)" in desk.do("gc").stdout
    assert {one.name for one in drawings.iterdir()} == {"gone.svg", "new.svg"}


def test_copies_of_agents_are_removed_when_no_run_needs_them(desk: GitDesk) -> None:
    desk.make(GATE)
    agent = desk.project / "agents" / "mine" / "agent.toml"
    agent.parent.mkdir(parents=True)
    agent.write_text("")
    parked = desk.run("--interviewer", "park", "--workspace", "none")
    agent.write_text("max_turns = 3")
    other = desk.run("--interviewer", "park", "--workspace", "none")
    assert desk.do("cancel", other.name).returncode == 0
    copies = sorted((desk.state / "agents").iterdir())
    for copy in copies:
        os.utime(copy, (0, 0))
    [needed] = [one for one in copies if one.name == document(parked / "manifest.json")["agents"]]
    swept = [one["path"] for one in desk.json("gc", *NOW)["freed"]]
    assert swept == [str(one) for one in copies if one != needed]
    assert desk.do("cancel", parked.name).returncode == 0
    assert freed(desk, *NOW) == {("", "agents")}


def test_failed_run_is_freed_and_keeps_its_records(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    root = starting_runs.restore(desk, FAILING)
    name, before, main = root.name, contents(root), git(desk.project, "rev-parse", "main")
    assert (desk.stores(), desk.base_refs(), len(desk.workspaces())) == ({name}, {name}, 1)
    swept = desk.json("gc", *NOW)
    assert {one["what"] for one in swept["freed"]} == {"workspace", "store", "branch", "base ref"}
    assert swept["bytes"] > 0
    assert swept["troubles"] == []
    assert (desk.stores(), desk.base_refs(), desk.workspaces()) == (set(), set(), set())
    assert contents(root) == before
    assert git(desk.project, "rev-parse", "main") == main
    assert desk.json("status")["status"] == "failed"
    assert desk.do("diagnose").returncode == 0
    assert desk.do("gc", *NOW).stdout == "nothing freed\n"
    refused = desk.do("rewind", "latest", "test")
    assert (refused.returncode, "were removed" in refused.stderr) == (4, True)
    over = desk.do("resume", "latest")
    assert (over.returncode, "is final" in over.stderr) == (4, True)


def test_dry_run_prints_the_same_and_removes_nothing(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    root = starting_runs.restore(desk, FAILING)
    before = (
        desk.stores(),
        desk.base_refs(),
        desk.workspaces(),
        contents(desk.state),
        contents(root),
    )
    dry = desk.json("gc", "--dry-run", *NOW)
    after = (
        desk.stores(),
        desk.base_refs(),
        desk.workspaces(),
        contents(desk.state),
        contents(root),
    )
    assert (dry["dry_run"], after) == (True, before)
    assert desk.json("gc", *NOW)["freed"] == dry["freed"]


def test_unfinished_runs_keep_their_files(desk: GitDesk) -> None:
    desk.make(GATE, **{"good.dot": GOOD})
    parked = desk.run("--interviewer", "park")
    desk.do("run", "good.dot", "--backend", "simulate", "--sandbox", "none")
    [undecided] = [one for one in desk.runs() if one != parked]
    swept = desk.json("gc", *NOW)
    assert swept["freed"] == []
    assert {one["run_id"]: one["why"] for one in swept["kept"]} == {
        parked.name: "it waits for an answer",
        undecided.name: "no suite judges it, and no branch has its result "
        f"(end it: attractor cancel {undecided.name})",
    }
    assert desk.do("answer", parked.name, "Y", "--json").returncode == 0
    assert desk.do("resume", parked.name, "--no-evaluate").returncode == 0


def test_branch_copies_of_a_canceled_run_are_freed(desk: GitDesk) -> None:
    desk.make(BRANCHES.replace("BEGUN", str(desk.folder / "begun")))
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    wait_until(lambda: len(list(desk.folder.glob("begun.*"))) == 2)
    process.kill()
    process.wait(PATIENCE_S)
    [root] = desk.runs()
    assert freed(desk, *NOW) == set()
    assert desk.do("cancel", "latest").returncode == 0
    swept = desk.json("gc", *NOW)
    assert [one["what"] for one in swept["freed"]].count("fork") == 2
    assert (desk.workspaces(), desk.stores()) == (set(), set())
    assert events(root, "PipelineFailed")


def test_only_files_of_dead_processes_are_removed(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, FAILING)
    place = (desk.state / "workspaces").resolve()
    for name in ("0123456789abcdef", "mine"):
        (place / name).mkdir()
        (place / name / "file").write_text("something")
    swept = desk.json("gc")
    assert [one["what"] for one in swept["freed"]] == ["left behind"]
    assert not (place / "0123456789abcdef").exists()
    assert (place / "mine" / "file").exists()


def test_run_in_place_frees_its_trees_only(desk: GitDesk, starting_runs: StartingRuns) -> None:
    starting_runs.restore(desk, FAILING, "--workspace", "in-place")
    before = contents(desk.project)
    assert {what for _, what in freed(desk, *NOW)} == {"store"}
    assert contents(desk.project) == before


def test_links_outside_are_not_followed(desk: GitDesk, starting_runs: StartingRuns) -> None:
    root = starting_runs.restore(desk, FAILING)
    outside = desk.folder / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    [workspace] = desk.workspaces()
    place = (desk.state / "workspaces").resolve()
    (place / workspace).rename(place / "moved")
    (place / workspace).symlink_to(outside)
    record = desk.state / "stores" / root.name / "dimensions" / ("0" * 32 + ".json")
    record.write_text(f'{{"folder":"{outside}","format":1,"name":"x"}}')
    desk.json("gc", *NOW)
    assert (outside / "file").read_text() == "mine"
    assert (place / "moved").is_dir()


def test_deep_folders_of_a_workspace_are_freed(desk: GitDesk, starting_runs: StartingRuns) -> None:
    starting_runs.restore(desk, FAILING)
    [workspace] = desk.workspaces()
    with deep_folder((desk.state / "workspaces").resolve() / workspace):
        swept = desk.json("gc", *NOW)
        assert (desk.workspaces(), swept["troubles"]) == (set(), [])


def test_ref_without_a_store_is_removed(desk: GitDesk, starting_runs: StartingRuns) -> None:
    root = starting_runs.restore(desk, FAILING)
    (desk.state / "stores" / root.name).rename(desk.folder / "removed by hand")
    others = "0" * 26
    git(desk.project, "update-ref", f"refs/attractor/base/{others}", "HEAD")
    assert (root.name, "base ref") in freed(desk, *NOW)
    assert desk.base_refs() == {others}


def test_failure_of_one_run_does_not_stop_the_others(desk: GitDesk) -> None:
    desk.make(FAILING)
    broken, fine = desk.run(), desk.run()
    (desk.state / "stores" / broken.name / "workspace.json").write_text("{}")
    done = desk.do("gc", *NOW)
    assert done.returncode == 3
    assert f"trouble: run {broken.name}" in done.stdout
    assert desk.stores() == {broken.name}
    assert fine.is_dir()


def test_nothing_is_freed_in_a_project_without_git_or_runs(desk: GitDesk) -> None:
    desk.project.mkdir()
    assert desk.do("gc").stdout == "nothing freed\n"


def test_corrupt_ledger_frees_nothing(desk: GitDesk, starting_runs: StartingRuns) -> None:
    starting_runs.restore(desk, FAILING)
    ledger = desk.state / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"created", b"crooked"))
    assert desk.do("gc", *NOW).returncode == 6
    assert len(desk.stores()) == 1


@pytest.mark.crash
def test_killed_gc_is_continued_by_the_next(desk: GitDesk) -> None:
    desk.make(FAILING)
    roots = [desk.run() for _ in range(3)]
    before = [contents(one) for one in roots]
    for _ in range(count(ci=3, full=40)):
        process = desk.begin("gc", *NOW)
        time.sleep(random.uniform(0.0, 0.3))
        process.kill()
        process.wait(PATIENCE_S)
        assert [desk.json("status", one.name)["status"] for one in roots] == ["failed"] * 3
    assert desk.do("gc", *NOW).returncode == 0
    assert (desk.stores(), desk.base_refs(), desk.workspaces()) == (set(), set(), set())
    assert [contents(one) for one in roots] == before


def advice(*reasons: str, is_dry: bool = False) -> list[str]:
    kept = {f"run {number}": why for number, why in enumerate(reasons)}
    return sweep_text(Sweep(is_dry, kept=kept)).splitlines()


def test_sweep_advice() -> None:
    assert advice() == ["nothing freed"]
    assert advice(is_dry=True) == ["nothing would be freed"]
    waits = "it waits for a decision"
    assert advice(waits, waits) == ["nothing freed", f"kept run 0, run 1: {waits}"]
    why = f"it is failed, less than 7d ago{YET}"
    assert advice(why)[-1] == "to include newer runs, add --older-than 0s"


def test_run_without_a_suite_is_kept_after_its_result_was_reverted(desk: GitDesk) -> None:
    desk.make(GOOD)
    root = desk.run(*UNGUARDED)
    git(desk.project, "merge", "--squash", "--quiet", f"attractor/run/{root.name}")
    git(desk.project, "commit", "--quiet", "--message", "The result, squashed")
    on = f"main ({git(desk.project, 'rev-parse', 'main')[:12]}), reverted on main"
    git(desk.project, "revert", "--no-edit", "main")
    assert desk.json("status", root.name)["landed_on"] == on
    assert f"succeeded, not judged: no suite, landed on {on}" in desk.do("runs").stdout
    why = f"no suite judges it, and it landed on {on} (end it: attractor cancel {root.name})"
    swept = desk.json("gc", *NOW)
    assert (swept["kept"], swept["freed"]) == ([{"run_id": root.name, "why": why}], [])
    git(desk.project, "merge", "--quiet", "--no-edit", f"attractor/run/{root.name}")
    assert {one["run_id"] for one in desk.json("gc", *NOW)["freed"]} == {root.name}


def test_landed_run_is_known_and_freed_with_its_branch(desk: GitDesk) -> None:
    desk.make(GOOD)
    runs = [desk.run(*UNGUARDED) for _ in range(2)]
    landed, other = runs
    git(desk.project, "merge", "--squash", "--quiet", f"attractor/run/{landed.name}")
    git(desk.project, "commit", "--quiet", "--message", "The result, squashed")
    on = f"main ({git(desk.project, 'rev-parse', 'main')[:12]})"
    git(desk.project, "checkout", "--quiet", f"attractor/run/{other.name}")
    (desk.project / "made.txt").write_text("made by a person")
    git(desk.project, "commit", "--quiet", "--all", "--message", "A commit of a person")
    git(desk.project, "checkout", "--quiet", "main")
    assert f"succeeded, not judged: no suite, landed on {on}" in desk.do("runs").stdout
    assert desk.json("status", landed.name)["landed_on"] == on
    assert desk.json("status", other.name)["landed_on"] == ""
    swept = desk.json("gc", *NOW)
    why = (
        f"no suite judges it, and no branch has its result (end it: attractor cancel {other.name})"
    )
    assert swept["kept"] == [{"run_id": other.name, "why": why}]
    assert {(one["run_id"], one["why"]) for one in swept["freed"]} == {
        (landed.name, f"it landed on {on}")
    }
    branches = git(desk.project, "branch", "--format=%(refname:short)").splitlines()
    assert branches == [f"attractor/run/{other.name}", "main"]
    # The run keeps what its branch showed.
    assert f"succeeded, not judged: no suite, landed on {on}" in desk.do("runs").stdout
    assert desk.json("status", landed.name)["landed_on"] == on
    assert desk.do("audit", "verify").returncode == 0
    assert desk.do("cancel", other.name).returncode == 0
    branch = f"refs/heads/attractor/run/{other.name}"
    kept = f"kept {branch}: it is checked out, or has commits of a person"
    assert kept in desk.do("gc", *NOW).stdout
    assert f"attractor/run/{other.name}" in git(desk.project, "branch")


@pytest.mark.parametrize(("answer", "status"), [("n\n", 0), ("y\n", 0), ("Ctrl-C", 130)])
def test_gc_asks_at_a_terminal_before_it_frees_an_approved_run(
    tmp_path: Path, answer: str, status: int
) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    git(flow.project, "merge", "--quiet", f"attractor/run/{result.run_id}")
    environ = {
        **GitDesk(tmp_path).environ,
        "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir),
    }
    with sit([ATTRACTOR, "gc", *NOW], cwd=flow.project, environ=environ) as sitting:
        sitting.until(f"Run {result.run_id}: it was approved and landed on main", "[y/N]")
        sitting.interrupt() if answer == "Ctrl-C" else sitting.type(answer)
        assert sitting.ends_with() == status
    assert (flow.machine.state_dir / "stores" / result.run_id).is_dir() == (answer != "y\n")
