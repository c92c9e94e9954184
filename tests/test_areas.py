"""A change chooses the slow tests of its rooms, of rooms that import them, and of its pages."""

from datetime import date, timedelta

import pytest

from tests.areas import ALL, LAST_WHOLE, changed_since, importers, last_whole, main, paths_for
from tests.tables import table

PAGE = "tests/test_docs.py::test_examples[docs/how-to/serve.md]"
SLOW = [
    "tests/cli/test_run.py::test_run",
    "tests/engine/routing/test_edges.py::test_edges[1]",
    "tests/growth/test_plan.py::test_plan",
    "tests/spec/test_R7_loop_restart.py::test_restart",
    "tests/spec/test_G14_divergence.py::test_app",
    "tests/test_demo.py::test_demo",
    PAGE,
    "tests/test_runbooks.py::test_runbook[a-stuck-run]",
]


@table(
    ("changed", "chosen"),
    [
        (["docs/how-to/serve.md", "CHANGELOG.md"], [PAGE]),
        (["docs/runbooks/a-stuck-run.md"], [SLOW[-1]]),
        (["tests/growth/test_plan.py"], ["tests/growth"]),
        (["tests/spec/test_R7_loop_restart.py"], ["tests/spec/test_R7_loop_restart.py"]),
        (["tests/test_demo.py"], ["tests/test_demo.py"]),
        (["attractor/cli/main.py"], ["tests/cli", "tests/test_demo.py"]),
        (["attractor/cli/commands/serve.py"], ["tests/cli", PAGE]),
        ([".ci/last-whole"], []),
        (["pyproject.toml", "docs/how-to/serve.md"], ALL),
        (["tests/conftest.py"], ALL),
    ],
)
def test_a_change_chooses_slow_tests(changed: list[str], chosen: list[str]) -> None:
    found = paths_for(changed, SLOW)
    assert set(chosen) <= set(found)
    if not any(path.startswith("attractor/") for path in changed):
        assert found == chosen


def test_a_change_of_a_room_chooses_the_rooms_that_import_it() -> None:
    assert {"cli", "factory", "server"} <= importers("scenarios")
    assert {"tests/engine", "tests/cli", "tests/growth", "tests/spec/test_R7_loop_restart.py"} <= {
        *paths_for(["attractor/engine/routing/edges.py"], SLOW)
    }
    assert not {"tests/engine", "tests/spec/test_R7_loop_restart.py"} & {
        *paths_for(["attractor/growth/README.py"], SLOW)
    }


def test_all_slow_tests_are_chosen_two_days_after_the_last_whole_run() -> None:
    day, commit = LAST_WHOLE.read_text().split()
    measured = date.fromisoformat(day)
    assert last_whole(measured + timedelta(days=2)) == commit
    assert last_whole(measured + timedelta(days=3)) == ""


def test_unknown_commits_and_areas_are_not_passed_over(capfd: pytest.CaptureFixture[str]) -> None:
    assert changed_since("0" * 40) is None
    with pytest.raises(SystemExit, match="unknown area 'kitchen'"):
        main("--slow", "kitchen")
