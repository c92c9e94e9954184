"""A run is forked and rewound to a visit by real processes, in a real repository."""

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.cli.git_desk import (
    UNGUARDED,
    GitDesk,
    StartingRuns,
    desk as desk,
    document,
    events,
    starting_runs as starting_runs,
)
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
LOOP = f"""digraph loop {{ {ENDS}
    make [shape=parallelogram, tool_command="echo made >> made.txt"]
    test [shape=parallelogram, tool_command="cp made.txt seen.txt; [ $(wc -l < made.txt) -ge 3 ]"]
    start -> make -> test
    test -> exit [condition="outcome=success"]
    test -> make [condition="outcome=fail"] }}
"""
BRANCHES = f"""digraph branches {{ {ENDS}
    fan  [shape=component]
    a    [shape=parallelogram, tool_command="echo a > a.txt"]
    b    [shape=parallelogram, tool_command="echo b > b.txt"]
    meet [shape=tripleoctagon, merge="all"]
    last [shape=parallelogram, tool_command="cat a.txt b.txt > both.txt"]
    start -> fan -> a -> meet
    fan -> b -> meet -> last -> exit }}
"""
GATE = f"""digraph gate {{ {ENDS}
    make [shape=parallelogram, tool_command="echo made >> made.txt"]
    ask  [shape=hexagon, label="Ship it?"]
    start -> make -> ask
    ask -> exit [label="[S] Ship"]
    ask -> make [label="[A] Again"] }}
"""
SLOW = f"""digraph slow {{ {ENDS}
    one [shape=parallelogram, tool_command="echo one >> one.txt"]
    two [shape=parallelogram
         tool_command="touch begun; timeout 90 sh -c 'until test -e GO; do sleep .1; done'"]
    start -> one -> two -> exit }}
"""


def contents(folder: Path) -> dict[Path, bytes]:
    return {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def branch_file(desk: GitDesk, root: Path, name: str) -> str:
    return git(desk.project, "show", f"attractor/run/{root.name}:{name}")


def test_fork_starts_from_the_state_before_the_visit(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    old = starting_runs.restore(desk, LOOP)
    before = contents(old)
    done = desk.json("fork", "latest", "make@2", "--no-evaluate")
    assert (done["outcome"], done["parent"], done["forked_at"]) == ("success", old.name, "make@2")
    new = Path(done["directory"])
    assert contents(old) == before
    # Visit numbers and files continue: one line exists, and two are added.
    visits = [(one["node"], one["visit"]) for one in events(new, "StageStarted")]
    assert visits == [("make", 2), ("test", 2), ("make", 3), ("test", 3)]
    assert branch_file(desk, new, "made.txt") == "made\n" * 3
    assert done["completed"] == ["start", *["make", "test"] * 3]
    [forked] = events(new, "RunForked")
    assert (forked["seq"], forked["data"]["parent"]) == (1, old.name)
    assert document(new / "manifest.json")["parent"] == old.name
    assert desk.do("logs", new.name).returncode == 0
    subjects = git(desk.project, "log", "--format=%s", f"main..attractor/run/{new.name}")
    assert subjects.splitlines()[-1] == f"Run {old.name} up to make@2"


def test_fork_uses_the_last_visit_and_the_chosen_folder(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, LOOP)
    new = Path(desk.json("fork", "latest", "make", "--no-evaluate")["directory"])
    assert document(new / "manifest.json")["forked_at"] == "make@3"
    assert [one["node"] for one in events(new, "StageStarted")] == ["make", "test"]
    old = starting_runs.restore(desk, LOOP)
    place = desk.folder / "elsewhere"
    assert desk.json("fork", "latest", "make", "--run-dir", str(place), "--no-evaluate")[
        "directory"
    ] == str(place)
    taken = desk.do("fork", old.name, "make", "--run-dir", str(place))
    assert (taken.returncode, "exists already" in taken.stderr) == (4, True)


def test_unknown_visit_is_refused(desk: GitDesk, starting_runs: StartingRuns) -> None:
    old = starting_runs.restore(desk, LOOP)
    mistyped = desk.do("fork", "latest", "mak")
    assert (mistyped.returncode, "did you mean make?" in mistyped.stderr) == (2, True)
    beyond = desk.do("fork", "latest", "make@7")
    assert (beyond.returncode, "make@1, make@2, make@3" in beyond.stderr) == (2, True)
    assert (desk.runs(), desk.stores()) == ([old], {old.name})
    starting_runs.restore(desk, LOOP)
    desk.write(LOOP.replace("make", "build"), "other.dot")
    refused = desk.do("fork", "latest", "make", "--graph", "other.dot")
    assert (refused.returncode, "other.dot" in refused.stderr) == (2, True)
    assert len(desk.runs()) == 1


def test_visit_inside_a_branch_is_refused_with_a_hint(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, BRANCHES)
    refused = desk.do("fork", "latest", "a")
    assert refused.returncode == 2
    assert "fork it where the branches began: fan@1" in refused.stderr
    again = Path(desk.json("fork", "latest", "fan@1", "--no-evaluate")["directory"])
    assert branch_file(desk, again, "both.txt") == "a\nb\n"


def test_fork_is_independent_of_its_parent(desk: GitDesk, starting_runs: StartingRuns) -> None:
    old = starting_runs.restore(desk, GATE, "--interviewer", "park")
    forked = desk.json("fork", "latest", "ask", "--interviewer", "park", "--no-evaluate")
    assert forked["phase"] == "stage"
    new = Path(forked["directory"])
    shutil.rmtree(desk.state / "stores" / old.name)
    shutil.rmtree(old)
    assert desk.do("answer", new.name, "A").returncode == 0
    resumed = desk.json("resume", new.name, "--interviewer", "auto_approve", "--no-evaluate")
    assert resumed["outcome"] == "success"
    assert branch_file(desk, new, "made.txt") == "made\n" * 2


def test_rewind_cancels_a_waiting_run(desk: GitDesk, starting_runs: StartingRuns) -> None:
    old = starting_runs.restore(desk, GATE, "--interviewer", "park")
    words = ("--interviewer", "auto_approve", "--no-evaluate", "--reason", "a better way")
    done = desk.json("rewind", "latest", "make", *words)
    assert done["outcome"] == "success"
    status = desk.json("status", old.name)
    assert (status["status"], "a better way" in status["reason"]) == ("canceled", True)
    assert branch_file(desk, Path(done["directory"]), "made.txt") == "made\n"


def test_rewind_cancels_a_live_run(desk: GitDesk) -> None:
    desk.make(SLOW.replace("GO", str(desk.folder / "go")))
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    wait_until(lambda: desk.runs() and desk.json("status")["stage"] == "two")
    [old] = desk.runs()
    refused = desk.do("rewind", old.name, "two", "--no-evaluate")
    assert refused.returncode == 4
    assert "is running, in the stage two (pass --cancel-live to cancel it" in refused.stderr
    assert desk.json("status", old.name)["live"]
    rewound = desk.begin("rewind", old.name, "two", "--no-evaluate", "--cancel-live")
    assert process.wait(PATIENCE_S) == 1
    assert desk.json("status", old.name)["status"] == "canceled"
    (desk.folder / "go").touch()
    assert rewound.wait(PATIENCE_S) == 0
    [new] = [one for one in desk.runs() if one != old]
    assert [one["node"] for one in events(new, "StageStarted")] == ["two"]


def test_rewind_of_a_final_run_starts_the_new_one(desk: GitDesk) -> None:
    desk.make(LOOP.replace("-ge 3", "-ge 9").replace("[shape=par", "[max_visits=2, shape=par", 1))
    old = desk.run()
    assert desk.json("status", old.name)["status"] == "failed"
    before = contents(old)
    desk.write(LOOP, "mended.dot")
    done = desk.do("rewind", "latest", "test", "--graph", "mended.dot", "--no-evaluate")
    assert done.returncode == 0, done.stderr
    assert "- max_visits: 2" in done.stderr
    assert contents(old) == before


def test_changed_pipeline_file_is_refused_without_graph_option(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, LOOP)
    desk.write(LOOP.replace("-ge 3", "-ge 4"))
    refused = desk.do("fork", "latest", "make")
    assert (refused.returncode, "--graph" in refused.stderr) == (4, True)
    done = desk.json("fork", "latest", "make", "--graph", "pipeline.dot", "--no-evaluate")
    assert branch_file(desk, Path(done["directory"]), "made.txt") == "made\n" * 4


def test_a_run_in_place_is_rewound_and_never_forked(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, GATE, "--interviewer", "park", "--workspace", "in-place")
    refused = desk.do("fork", "latest", "make")
    assert (refused.returncode, "attractor rewind" in refused.stderr) == (4, True)
    (desk.project / "mine.txt").write_text("a person wrote this meanwhile\n")
    done = desk.json("rewind", "latest", "make", "--interviewer", "auto_approve", "--no-evaluate")
    assert done["outcome"] == "success"
    assert (desk.project / "made.txt").read_text() == "made\n"
    [aside] = Path(done["directory"]).glob("incidents/*/*.patch")
    assert "a person wrote this meanwhile" in aside.read_text()


def test_run_without_snapshots_is_forked_with_current_files(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, GATE, "--interviewer", "park", "--workspace", "none")
    done = desk.do("fork", "latest", "make", "--interviewer", "auto_approve", "--no-evaluate")
    assert done.returncode == 0, done.stderr
    assert "the fork begins with the current files" in done.stderr
    assert (desk.project / "made.txt").read_text() == "made\n" * 2


def test_new_budgets_replace_the_old_ones(desk: GitDesk, starting_runs: StartingRuns) -> None:
    slow = LOOP.replace("echo made", "test -e $HOME/quick || sleep 0.7; echo made")
    old = starting_runs.restore(desk, slow, "--max-duration", "1200ms")
    assert desk.json("status", old.name)["stopped"]
    still = desk.do("fork", "latest", "test@1", "--no-evaluate")
    assert (still.returncode, "max_duration" in still.stdout) == (3, True)
    (desk.folder / "quick").touch()
    enough = desk.do("rewind", old.name, "test@1", "--max-duration", "1h", "--no-evaluate")
    assert enough.returncode == 0, enough.stderr


@pytest.mark.parametrize("word", ["resume", "fork"])
def test_budget_of_a_resume_applies_to_later_processes(
    desk: GitDesk, starting_runs: StartingRuns, word: str
) -> None:
    old = starting_runs.restore(desk, GATE, "--interviewer", "park")
    limited = desk.do("resume", old.name, "--max-duration", "1ms", "--no-evaluate")
    place = [] if word == "resume" else ["ask"]
    later = desk.do(word, old.name, *place, "--interviewer", "auto_approve", "--no-evaluate")
    for stopped in (limited, later):
        assert (stopped.returncode, "of 0.001" in stopped.stdout) == (3, True), stopped.stderr


@pytest.mark.parametrize("word", ["fork", "rewind"])
def test_child_run_cannot_be_forked(desk: GitDesk, word: str) -> None:
    desk.make(
        f'digraph outer {{ {ENDS} inner [type="pipeline", file="inner.dot"]\n'
        "start -> inner -> exit }",
        **{"inner.dot": LOOP},
    )
    outer = desk.run()
    [inner] = outer.glob("children/*")
    refused = desk.do(word, str(inner), "make")
    assert (refused.returncode, "is part of run" in refused.stderr) == (2, True)


@pytest.mark.crash
def test_killed_fork_is_complete_or_absent(desk: GitDesk, starting_runs: StartingRuns) -> None:
    old = starting_runs.restore(desk, LOOP)
    before = contents(old)
    for _ in range(count(ci=3, full=40)):
        process = desk.begin("fork", old.name, "make@2", "--no-evaluate")
        time.sleep(random.uniform(0.05, 0.7))
        process.kill()
        process.wait(PATIENCE_S)
    for new in [one for one in desk.runs() if one != old]:
        # A fork killed between its last stage and its branch has an outcome already.
        if desk.json("status", new.name)["phase"] != "decision":
            assert desk.do("resume", new.name, "--no-evaluate").returncode == 0
        assert desk.json("status", new.name)["outcome"] == "success"
        assert events(new, "StageStarted")[0]["visit"] == 2
        assert desk.do("logs", new.name).returncode == 0
        assert branch_file(desk, new, "made.txt") == "made\n" * 3
    assert contents(old) == before
