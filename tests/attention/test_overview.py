"""`attractor` alone: where the project is, and the next command."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attractor.attention.overview import ProjectOverview, next_command
from attractor.attention.rows import AttentionRow
from attractor.environments.orphan_processes import MARK
from attractor.factory.project import ProjectFolder
from attractor.records.summary import RunOverview
from tests.cli.running import attractor
from tests.factory.flows import make_flow
from tests.pipeline.projects import make_project
from tests.tables import table

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROOT = Path("/project")


def run(name: str, status: str, **more: Any) -> RunOverview:
    return RunOverview(name, ROOT / name, "flow", "Build it", NOW, status, **more)


def row(command: str) -> AttentionRow:
    folder = ProjectFolder("id", ROOT, ROOT / "runs")
    return AttentionRow(
        id="row", need="decision", project=folder, name="R", reason="go", since=NOW, command=command
    )


LIVE, APPROVED, FAILED = (
    run("L", "executing", is_live=True),
    run("A", "approved"),
    run("F", "failed"),
)
ALL: dict[str, Sequence[Any]] = {
    "needs": [row("attractor decide R"), row("attractor answer Q")],
    "runs": [FAILED, LIVE, APPROVED],
    "drafts": ["scenarios/a b"],
    "pipelines": ["pipelines/flow.dot"],
    "suites": ["todo@2"],
}


@table(
    ("fields", "expected"),
    [
        (ALL, "decide R"),
        ({**ALL, "needs": []}, "status L --watch"),
        ({**ALL, "needs": [], "runs": [FAILED, APPROVED]}, "promote A"),
        ({"runs": [APPROVED], "branch": "a'b"}, "promote A --to 'a'\"'\"'b'"),
        ({**ALL, "needs": [], "runs": [FAILED]}, "diagnose F"),
        ({"runs": [run("P", "approved", promoted_to="main"), FAILED]}, "judge -- COMMAND"),
        ({"runs": [run("P", "approved", landed_on="main")]}, "judge -- COMMAND"),
        ({**ALL, "needs": [], "runs": []}, "suite register 'scenarios/a b'"),
        ({"suites": ["todo@2"], "pipelines": ["f.dot"]}, "run f.dot --suite todo"),
        ({"suites": ["a@1", "b@1"], "pipelines": ["f.dot"]}, "run f.dot"),
        ({"pipelines": ["a.dot", "b.dot"]}, "run PIPELINE.dot"),
        ({"suites": ["todo@2"]}, "judge --suite todo -- COMMAND"),
        ({}, "judge -- COMMAND"),
    ],
)
def test_next_command_is_the_most_urgent(fields: dict[str, Any], expected: str) -> None:
    assert next_command(ProjectOverview(ROOT, **fields)) == f"attractor {expected}"


def test_repository_without_runs_stays_as_it_is(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **{"scenarios/new/suite.toml": 'name = "new"\n'})
    state = {"ATTRACTOR_STATE_DIR": str(tmp_path / "state")}
    (project / "below").mkdir()
    shown = attractor(folder=project / "below", variables=state)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [
        f"project: {project}, branch main",
        "suites: none; not registered: scenarios/new",
        "runs: none",
        "needs you: nothing",
        "next: attractor suite register scenarios/new",
    ]
    assert not (tmp_path / "state").exists()
    in_run = {**state, MARK: "01ARZ3NDEKTSV4RRFFQ69G5FAV.12-34.56"}
    assert "only for the operator" in attractor(folder=project, variables=in_run).stderr


def test_project_shows_its_suite_its_runs_and_the_decision_it_needs(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    runs = [flow.launch().directory.name for _ in range(2)]
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    shown = attractor(folder=flow.project, variables=state)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert len(lines) <= 24
    assert lines[1] == "suites: todo@1"
    assert [line.split()[0] for line in lines[3:5]] == [*reversed(runs)]
    assert "needs you (decision)" in lines[3]
    assert lines[-1] == f"next: attractor decide {runs[0]}"
    found = json.loads(attractor("overview", "--json", folder=flow.project, variables=state).stdout)
    assert found["next"] == f"attractor decide {runs[0]}"
    assert [one["command"] for one in found["needs"]] == [f"attractor decide {one}" for one in runs]
