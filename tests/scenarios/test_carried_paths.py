"""Carried paths that trials get, and hints about those that may replace the candidate."""

from pathlib import Path
from typing import Any

from attractor.scenarios.carried_paths import carry_hints, trial_preparation
from attractor.scenarios.suite import Suite
from attractor.workspaces.preparation import Preparation
from tests.scenarios.suites import write_files
from tests.scenarios.test_suite_lint import scenario, suite
from tests.tables import table

CARRIED = Preparation(carry=("bin", ".venv/"), carry_read_only=("app/node_modules", "data"))


def judged(*listed: str, **step: Any) -> Suite:
    trials = {"carry": listed} if listed else {}
    return suite(scenario("add", steps=[{"name": "add", "run": "true"} | step]), trials=trials)


@table(
    ("listed", "copied", "shown"),
    [
        (None, (".venv",), ("app/node_modules",)),
        ((), (), ()),
        (("data", "bin"), ("bin",), ("data",)),
        (("app",), (), ()),
    ],
)
def test_trials_get_dependencies_or_the_list_of_the_suite(
    listed: tuple[str, ...] | None, copied: tuple[str, ...], shown: tuple[str, ...]
) -> None:
    kept = trial_preparation(CARRIED, listed)
    assert (kept.copied_paths, kept.shown_paths) == (copied, shown)


@table(
    ("judged", "hints"),
    [
        (judged(), ["bin is not carried into trials", "data is not carried into trials"]),
        (judged("data"), []),
        (judged("data", "lib"), ["lists lib, which neither"]),
        (judged("bin", run="bin/spend 3"), ["step add of add starts programs of bin"]),
        (judged("bin", run="cd x && A=1 ./bin/spend"), ["starts programs of bin"]),
        (judged("bin", run="./spend", cwd="bin/x"), ["starts programs of bin"]),
        (judged("bin", run="spend", env={"PATH": "/usr/bin:$PWD/bin"}), ["programs of bin"]),
        (judged("bin", run='export PATH="$(pwd)/bin:$PATH"; spend'), ["programs of bin"]),
        (judged("bin", run="PATH=bin:$PATH spend | cat"), ["starts programs of bin"]),
        (judged("bin", run="echo bin/spend 'x"), []),
        (judged("bin", run="binary && ./spend"), []),
        (judged(".venv", run=".venv/bin/python app.py"), []),
    ],
)
def test_hints_name_carried_paths_that_trials_lack_or_start(
    judged: Suite, hints: list[str], tmp_path: Path
) -> None:
    found = [str(one) for one in carry_hints(judged, CARRIED, tmp_path)]
    assert len(found) == len(hints)
    assert [hint in one for hint, one in zip(hints, found, strict=True)] == [True] * len(hints)


SITE = ".venv/lib/python3/site-packages"
DIRECT_URL = f"{SITE}/spend-1.dist-info/direct_url.json"


@table(
    ("file", "text", "is_own"),
    [
        (DIRECT_URL, '{"dir_info": {}, "url": "file://PROJECT"}', True),
        (DIRECT_URL, '{"dir_info": {"editable": true}, "url": "file://PROJECT/lib"}', True),
        (DIRECT_URL, '{"archive_info": {}, "url": "file://PROJECT/wheels/other.whl"}', False),
        (DIRECT_URL, '{"dir_info": {}, "url": "file:///elsewhere"}', False),
        (DIRECT_URL, "[", False),
        (f"{SITE}/spend.pth", "PROJECT/src\n", True),
        (f"{SITE}/spend.pth", "../../../../src\n", True),
        (f"{SITE}/other.pth", "# none\nimport other\nvendored\n/usr/lib\n", False),
    ],
)
def test_hint_names_a_dependency_folder_that_contains_the_project_itself(
    file: str, text: str, is_own: bool, tmp_path: Path
) -> None:
    write_files(tmp_path, {file: text.replace("PROJECT", str(tmp_path))})
    hints = [str(one) for one in carry_hints(judged(".venv"), CARRIED, tmp_path)]
    assert [f".venv contains the project itself ({file})" in one for one in hints] == [
        True
    ] * is_own
