"""Child runs as stages of a run, with real processes in a real repository."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.git_desk import UNGUARDED, GitDesk, desk as desk, document, events
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
OUTER = f"""digraph outer {{ {ENDS}
    before [shape=parallelogram, tool_command="echo before >> log.txt"]
    inner  [type="pipeline", file="parts/inner.dot"]
    after  [shape=parallelogram, tool_command="echo after >> log.txt"]
    start -> before -> inner -> after -> exit }}
"""
INNER = f"""digraph inner {{ {ENDS}
    one [shape=parallelogram, tool_command="echo one >> log.txt"]
    two [shape=parallelogram, tool_command="echo two >> log.txt"]
    start -> one -> two -> exit }}
"""
GATE = f"""digraph gate {{ {ENDS}
    make [shape=parallelogram, tool_command="echo made >> log.txt"]
    ask  [shape=hexagon, label="Ship it?"]
    ship [shape=parallelogram, tool_command="echo shipped >> log.txt"]
    start -> make -> ask
    ask -> ship [label="[S] Ship"]
    ask -> make [label="[A] Again"]
    ship -> exit }}
"""
SLOW = f"""digraph slow {{ {ENDS}
    one  [shape=parallelogram, tool_command="echo one >> log.txt"]
    wait [shape=parallelogram, tool_command="echo wait >> log.txt; COMMAND"]
    start -> one -> wait -> exit }}
"""
UNTIL_GO = "touch HERE/begun; timeout 90 sh -c 'until [ -e HERE/go ]; do sleep 0.05; done'"
MANAGED = f"""digraph managed {{ {ENDS}
    graph ["stack.child_dotfile"="inner.dot"]
    watch [shape=house, prompt="Look after it", "manager.poll_interval"="100ms", MORE]
    start -> watch -> exit }}
"""


def child(root: Path, name: str = "inner@1.1") -> Path:
    return root / "children" / name


def made(desk: GitDesk, root: Path, name: str = "log.txt") -> list[str]:
    return git(desk.project, "show", f"attractor/run/{root.name}:{name}").splitlines()


def slow(desk: GitDesk) -> str:
    """Return a pipeline whose last stage waits for a file."""
    return SLOW.replace("COMMAND", UNTIL_GO).replace("HERE", str(desk.folder))


def is_begun(desk: GitDesk) -> Callable[[], bool]:
    return (desk.folder / "begun").exists


def started(root: Path) -> list[str]:
    return [str(one["node"]) for one in events(root, "StageStarted")]


def test_child_shares_the_workspace_of_its_parent(desk: GitDesk) -> None:
    desk.make(OUTER, **{"parts/inner.dot": INNER})
    root = desk.run()
    assert made(desk, root) == ["before", "one", "two", "after"]
    assert git(desk.project, "status", "--porcelain", "--untracked-files=no") == ""
    inner = document(child(root) / "manifest.json")
    assert (inner["parent"], inner["pipeline"]) == (root.name, "inner")
    assert desk.do("logs", str(child(root))).returncode == 0
    subjects = git(desk.project, "log", "--format=%s", f"main..attractor/run/{root.name}")
    assert subjects.splitlines() == ["Stage after", "Stage inner", "Stage before"]
    [event] = events(root, "ChildRunEnded")
    assert event["data"]["outcome"] == "success"
    assert event["data"]["run_id"] == inner["run_id"]
    # Only the top run is listed as a run.
    assert desk.runs() == [root]


GIVES = f"""digraph gives {{ {ENDS}
    inputs="ticket"
    name  [shape=parallelogram, tool_command="printf größe"]
    inner [type="pipeline", file="takes.dot",
           inputs="name=context.tool.output, id=inputs.ticket, kind=bug"]
    after [shape=parallelogram, tool_command="true"]
    start -> name -> inner
    inner -> after [condition="context.inner.size=7"]
    inner -> exit  [condition="context.inner.size!=7"]
    after -> exit }}
"""
TAKES = f"""digraph takes {{ {ENDS}
    inputs="name, id, kind, count:int=2"
    outputs="size:int=7, said=context.tool.output"
    say  [prompt="${{inputs.kind}} ${{inputs.id}}: ${{inputs.name}} ${{inputs.count}}"]
    make [shape=parallelogram, tool_command="echo said"]
    start -> say -> make -> exit }}
"""


def test_child_has_inputs_and_outputs(desk: GitDesk) -> None:
    desk.make(GIVES, **{"takes.dot": TAKES})
    root = desk.run("--input", "ticket=A-1")
    assert (child(root) / "say" / "prompt.md").read_text() == "bug A-1: größe 2"
    updates = document(root / "inner" / "status.json")["context_updates"]
    assert (updates["inner.size"], updates["inner.said"]) == (7, "said\n")
    assert started(root) == ["start", "name", "inner", "after"]


def test_question_of_a_child_is_answered_at_its_parent(desk: GitDesk) -> None:
    desk.make(OUTER, **{"parts/inner.dot": GATE})
    root = desk.run("--interviewer", "park")
    status = desk.json("status", "latest")
    assert (status["status"], status["phase"]) == ("awaiting_human", "stage")
    assert status["question"]["id"] == "inner@1.1/ask@1.1"
    listed = desk.do("answer", "latest").stdout
    assert "inner@1.1/ask@1.1: Ship it?" in listed
    assert "[S] Ship" in listed
    assert desk.do("answer", "latest", "perhaps").returncode == 2
    # Without an answer, the resumed run asks the same question again.
    assert desk.do("resume", "latest", "--no-evaluate").returncode == 3
    assert desk.do("answer", "latest", "A", "--question", "ask").returncode == 0
    assert desk.do("resume", "latest", "--no-evaluate").returncode == 3
    assert desk.json("status")["question"]["id"] == "inner@1.1/ask@2.1"
    assert desk.do("answer", "latest", "S").returncode == 0
    done = desk.json("resume", "latest", "--no-evaluate")
    assert done["outcome"] == "success"
    assert made(desk, root) == ["before", "made", "made", "shipped", "after"]
    assert started(root).count("inner") == 4
    asked = ["make", *["ask"] * 3, "make", *["ask"] * 2, "ship"]
    assert started(child(root)) == ["start", *asked]
    # The finished work of a child is not treated as unfinished edits.
    assert list(root.rglob("incidents")) == []


def test_child_is_resumed_by_its_parent_only(desk: GitDesk) -> None:
    desk.make(OUTER, **{"parts/inner.dot": GATE})
    root = desk.run("--interviewer", "park")
    refused = desk.do("resume", str(child(root)))
    assert refused.returncode == 2
    assert f"is part of run {root.name}" in refused.stderr
    # The child's question can still be answered at the child itself.
    assert desk.do("answer", str(child(root)), "S").returncode == 0
    assert desk.json("resume", root.name, "--no-evaluate")["outcome"] == "success"


def test_canceled_run_ends_its_children(desk: GitDesk) -> None:
    deep = OUTER.replace("parts/inner.dot", "deep.dot")
    desk.make(OUTER, **{"parts/inner.dot": deep, "parts/deep.dot": GATE})
    root = desk.run("--interviewer", "park")
    assert desk.do("cancel", "latest", "--reason", "a mistake").returncode == 0
    for one in (child(root), child(child(root))):
        status = desk.json("status", str(one))
        assert (status["status"], status["question"]) == ("canceled", None)
        assert "a mistake" in status["reason"]
        refused = desk.do("answer", str(one), "S")
        assert (refused.returncode, "no open question" in refused.stderr) == (4, True)
    assert [*root.rglob("inbox/*.json")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_parent_interrupts_and_resumes_its_child(
    desk: GitDesk, number: signal.Signals
) -> None:
    # With if_interrupted=fail the stage must not be repeated, but its child is resumed.
    once = OUTER.replace('inner.dot"', 'inner.dot", if_interrupted=fail')
    desk.make(once, **{"parts/inner.dot": slow(desk)})
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    wait_until(is_begun(desk))
    [root] = desk.runs()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 130
    assert document(child(root) / "run.json")["status"] == "executing"
    (desk.folder / "go").touch()
    assert desk.json("resume", "latest", "--no-evaluate")["outcome"] == "success"
    assert started(child(root)) == ["start", "one", "wait", "wait"]
    # The unfinished edits of the stage were moved to a patch, and the stage began from the tree
    # before.
    assert made(desk, root) == ["before", "one", "wait", "after"]
    [aside] = root.rglob("incidents/*/*.patch")
    assert aside.is_relative_to(child(root))
    assert "+wait" in aside.read_text()


@pytest.mark.parametrize(
    ("more", "outcome", "why"),
    [
        ('"manager.stop_condition"="context.stack.child.node=wait"', "success", "stop condition"),
        ('"manager.max_cycles"=3', "fail", "max cycles exceeded"),
    ],
)
def test_a_manager_ends_its_child_for_good(
    desk: GitDesk, more: str, outcome: str, why: str
) -> None:
    desk.make(MANAGED.replace("MORE", more), **{"inner.dot": slow(desk)})
    result = desk.json("run", "pipeline.dot", *UNGUARDED)
    assert result["outcome"] == outcome
    inner = document(child(Path(result["directory"]), "watch@1.1") / "run.json")
    assert inner["status"] == "canceled"
    assert why in inner["reason"]


EACH = f"""digraph each {{ {ENDS}
    list [shape=parallelogram, tool_command="printf 'a\\nb\\nc\\n'"]
    each [type="for_each", items="tool.output", max_parallel=3]
    inner [type="pipeline", file="inner.dot", inputs="name=context.work.item"]
    join [shape=tripleoctagon, merge="all"]
    start -> list -> each -> inner -> join -> exit }}
"""
FORKS = f"""digraph forks {{ {ENDS}
    inputs="name"
    say  [prompt="${{inputs.name}}"]
    fan  [shape=component]
    x    [shape=parallelogram, tool_command="echo x; sleep 0.1"]
    y    [shape=parallelogram, tool_command="echo y; sleep 0.1"]
    join [shape=tripleoctagon]
    mark [shape=parallelogram, tool_command="date +%N > $(basename $PWD).txt"]
    start -> say -> fan -> x -> join
    fan -> y -> join -> mark -> exit }}
"""
