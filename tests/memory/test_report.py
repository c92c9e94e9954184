"""`report --lessons` counts the tasks with and without each taken lesson."""

import json
from pathlib import Path
from typing import Any

from attractor.factory.lessons import memory_of
from attractor.memory.decisions import drop, propose, take
from attractor.worlds.process import ActorProcess
from tests.cli.running import run_here
from tests.memory.test_lessons import LOCK, nothing, other
from tests.worlds.flows import actor_in, open_at, send_to

FAILS = """digraph fails {
  start [shape=Mdiamond]; done [shape=Msquare]
  build [prompt="$goal"]
  check [shape=parallelogram, tool_command="exit 7"]
  start -> build -> check -> done
}"""


def test_tasks_are_counted_by_the_lessons_that_their_prompts_quoted(tmp_path: Path) -> None:
    opened = open_at(tmp_path)

    def report(*words: str) -> Any:
        environ = opened.project.machine.environ
        command = ["report", "--lessons", *words]
        return run_here(command, folder=opened.project.root, variables=environ)

    def work(task: str, name: str, **more: Any) -> None:
        actor = actor_in(opened, name, **more)
        send_to(actor, opened, task)
        ActorProcess(actor, opened).work(linger_s=0.05)

    work("Lock the index", name="before")
    assert report().stdout == "No lesson is taken.\n"
    place, unused = memory_of(opened), other("Name each port", 9, files=())
    for one in (LOCK, unused, other("Draw the plan", 10)):
        propose(one, place, opened.now())
        take(one.id, place, "ann", opened.now(), nothing)
    drop(other("Draw the plan", 10).id, place, "ann", opened.now())
    (opened.project.root / "pipeline.dot").write_text(FAILS)
    work("Lock the index", name="after")
    work("Draw a plan", name="other")
    pipeline = str(opened.project.root / "pipeline.dot")
    work("Lock the index", name="fails", pipeline=pipeline)
    found = json.loads(report("--json").stdout)["lessons"]
    assert [(one["id"], one["with"], one["without"]) for one in found] == [
        (LOCK.id, {"tasks": 2, "succeeded": 1}, {"tasks": 1, "succeeded": 1}),
        (unused.id, {"tasks": 0, "succeeded": 0}, {"tasks": 3, "succeeded": 2}),
    ]
    assert "These are counts, and show no effect" in report().stdout
    assert report("latest").returncode == 2
