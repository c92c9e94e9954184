"""Workers of the fleet carry out the tasks of a mission; the rest stays on its machine."""

import json
from pathlib import Path

import pytest

from attractor.fleet.records import RowState
from tests.fleet.living import living
from tests.missions.desks import AGENT, PLAN
from tests.pipeline.projects import git

SETTINGS = '[backends.command]\nrun = "bash agent.sh"\n'
WORDS = ("--with", "command", "--sandbox", "none", "--name", "greet", "--hands-off")


@pytest.mark.crash
def test_tasks_are_carried_out_in_a_pool_and_land_here(tmp_path: Path) -> None:
    with living(tmp_path, "digraph g { a [shape=Mdiamond]; b [shape=Msquare]; a -> b }") as fleet:
        agent = AGENT.replace("PLAN_TEXT", PLAN).replace("HELLO", "echo hello > hello.txt")
        for name, text in {"agent.sh": agent, "attractor.toml": SETTINGS}.items():
            (fleet.project / name).write_text(text.replace("ASKED", str(tmp_path / "asked")))
        git(fleet.project, "add", "--all")
        git(fleet.project, "commit", "-qm", "Add an agent")
        fleet.start_worker()
        fleet.attractor("mission", "start", "Greet and part", "--on", "agents", *WORDS)
        found = json.loads(fleet.attractor("mission", "show", "greet", "--wait", "--json"))
        assert found["waits_for"] == "all tasks are landed", fleet.logs()
        assert git(fleet.project, "show", "attractor/mission/greet:both.txt") == "hello\nbye\n"
        manifests = (fleet.project / "runs").glob("*/manifest.json")
        works = [json.loads(one.read_text()) for one in manifests]
        roles = {one["run_id"]: one["options"]["mission"]["role"] for one in works}
        assert len(roles) == found["runs"]
        workers = [run_id for run_id, role in roles.items() if role == "worker"]
        assert [fleet.row(run_id).state for run_id in workers] == [RowState.ENDED] * 3
