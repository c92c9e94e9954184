"""Trials in a sandbox: the same view for train and held-out scenarios, twins without control."""

import asyncio
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.landlock import MIN_ABI, landlock_abi
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.suite import Scenario, SuiteSettings
from attractor.workspaces.folders import borrowed_folder
from tests.environments.places import make_walls
from tests.needs import needs_sandbox
from tests.scenarios.suites import TWIN, write_files
from tests.scenarios.test_play import scenario

CHECKS = [
    {"kind": "command", "program": "verify"},
    {"kind": "twin", "twin": "todo-api", "count": 1},
]
LOOK = """
env | sort; id; pwd; hostname
ps -e -o args= 2>/dev/null || cat /proc/[0-9]*/cmdline | tr '\\0' ' '
find / -xdev \\( -path /proc -o -path /usr -o -path /sys \\) -prune -o -print 2>/dev/null | sort
cut -d ' ' -f 4,5 /proc/self/mountinfo; cat a.json; curl -s $TODO_API_URL/tasks;"""
CONTROLS = """
import os, urllib.request
lines = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}")]
print("open", [int(one[1].split(":")[1], 16) for one in lines if one[3] == "0A"])
print("twin", os.environ["TODO_API_URL"])
for path in ("requests", "state", "reset", "health"):
    try:
        urllib.request.urlopen(f"{os.environ['TODO_API_URL']}/{path}")
    except OSError as error:
        print(error)
"""


pytestmark = needs_sandbox


def play(
    tmp_path: Path,
    one: Scenario,
    *,
    kind: str = "bubblewrap",
    links: Mapping[str, str] = {},
    twin: str = TWIN,
) -> PlayedScenario:
    suite = write_files(
        tmp_path / "secret",
        {
            "_twins/todo-api/twin.toml": twin,
            "fixtures/a.json": "{}",
            "checks/verify": '#!/bin/sh\ntest -e "$CANDIDATE/made.txt" && ls -A / "$CANDIDATE"\n',
            "checks/compare": '#!/bin/sh\ncmp "$CANDIDATE/$1" checks/expected.txt\n',
            "checks/expected.txt": "42",
        },
    )
    # A twin needs a port, which Landlock does not have.
    twins = [{"name": "todo-api"}] if kind == "bubblewrap" else []
    settings = SuiteSettings.model_validate({"name": "s", "pipeline": "p", "twins": twins})

    def make(folder: Path) -> ExecutionEnvironment:
        return SandboxedExecutionEnvironment(folder, make_walls(kind, hide=[tmp_path / "secret"]))

    copies = tmp_path / "copies"
    copies.mkdir(exist_ok=True)
    with borrowed_folder(copies) as folder:
        for name, target in links.items():
            (folder / name).symlink_to(target)
        player = ScenarioPlayer(settings, suite, make, SystemClock())
        return asyncio.run(player.play(one, folder))


def test_sandbox_shows_no_difference_between_train_and_holdout(tmp_path: Path) -> None:
    seen: list[str] = []
    for split in ("train", "holdout"):
        steps = [{"name": f"{split}-step", "run": f"{LOOK} touch made.txt"}]
        facts = {"id": f"{split}-id", "title": split, "story": split, "split": split}
        one = scenario(steps, CHECKS, fixtures=["a.json"], **facts)
        played = play(tmp_path, one)
        assert [check.passed for check in played.checks] == [True, True], played.checks
        record = played.observation.steps[f"{split}-step"]
        # The port of the twin, the folder of the copy and bubblewrap's files have random names.
        seen.append(re.sub(r":\d{4,5}\b|[0-9a-f]{16}|bindfile\w{6}", "", record.stdout))
    assert "TODO_API_URL=http://127.0.0.1" in seen[0]
    assert "feed the cat" in seen[0]
    assert seen[0] == seen[1]
    for word in ("train", "holdout", "secret", "verify"):
        assert word not in seen[0]


def test_control_of_a_twin_is_unreachable_from_inside(tmp_path: Path) -> None:
    steps = [{"name": "try", "run": f"/usr/bin/python3 -c {shlex.quote(CONTROLS)}"}]
    stdout = play(tmp_path, scenario(steps)).observation.steps["try"].stdout
    [port] = re.findall(r"twin http://127.0.0.1:(\d+)", stdout)
    assert f"open [{port}]" in stdout
    assert stdout.count("HTTP Error 404") == 4


def test_candidate_sends_letters_to_a_twin(tmp_path: Path) -> None:
    twin = """
name = "todo-api"
smtp = "/letters"
environ = { PORT = "{{ smtp_port }}" }
[[routes]]
method = "POST"
path = "/letters"
kind = "fixed"
"""
    program = "import os, smtplib; client = smtplib.SMTP('127.0.0.1', int(os.environ['PORT'])); "
    program += "client.sendmail('a@b.example', ['c@d.example'], b'Subject: s')"
    steps = [{"name": "send", "run": f"/usr/bin/python3 -c {shlex.quote(program)}"}]
    checks = [{"kind": "twin", "twin": "todo-api", "method": "POST", "count": 1}]
    played = play(tmp_path, scenario(steps, checks), twin=twin)
    assert [check.passed for check in played.checks] == [True], played


def test_service_inside_is_waited_for_and_calls_a_twin(tmp_path: Path) -> None:
    serve = {
        "name": "serve",
        "service": "curl -s $TODO_API_URL/tasks > tasks.json; python3 -m http.server $PORT",
        "env": {"PORT": "8000"},
        "port": 8000,
        "health": {"path": "/tasks.json"},
    }
    steps = [serve, {"name": "get", "port": 8000, "path": "/tasks.json"}]
    checks = [
        {"kind": "json", "step": "get", "path": "$[0].title", "equals": "feed the cat"},
        {"kind": "twin", "twin": "todo-api", "count": 1},
        {"kind": "tree", "only": ["tasks.json"]},
    ]
    played = play(tmp_path, scenario(steps, checks))
    assert [check.passed for check in played.checks] == [True] * 3, played


def test_daemon_left_behind_is_dead_before_files_are_judged(tmp_path: Path) -> None:
    write = "while :; do date +%N > made.txt; done"
    steps = [{"name": "go", "run": f"setsid nohup sh -c '{write}' >&- 2>&- & sleep 0.1"}]
    checks = [
        {"kind": "file", "path": "made.txt", "matches": "^[0-9]*$"},
        {"kind": "command", "program": "verify"},
        {"kind": "file", "path": "made.txt", "matches": "^[0-9]*$"},
    ]
    before, verified, after = play(tmp_path, scenario(steps, checks)).checks
    assert (before.passed, verified.passed) == (True, True)
    assert before.evidence == after.evidence


@pytest.mark.parametrize("kind", ["bubblewrap", "landlock"])
def test_no_link_of_the_candidate_leads_a_verifier_to_its_own_file(
    tmp_path: Path, kind: str
) -> None:
    if kind == "landlock" and landlock_abi() < MIN_ABI:
        pytest.skip("no Landlock here")
    links = {
        "relative": "../checks/expected.txt",
        "absolute": "/workspace/checks/expected.txt",
        "chained": "relative",
        "folder": "../checks",
    }
    steps = [{"name": "go", "run": "ln -s ../checks/expected.txt made"}]
    names = ["relative", "absolute", "chained", "folder/expected.txt", "made"]
    checks = [{"kind": "command", "program": "compare", "args": [name]} for name in names]
    for check in play(tmp_path, scenario(steps, checks), kind=kind, links=links).checks:
        assert not check.passed
        assert "No such file" in check.reason
        assert check.reason.endswith("; 5 links that leave the tree were left out")
