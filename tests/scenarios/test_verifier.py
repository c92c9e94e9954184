"""Verifiers of a suite, which a candidate cannot change."""

import re
from pathlib import Path
from typing import Any

import pytest

from attractor.engine.outcome import Culprit
from attractor.scenarios.check import CheckResult
from attractor.scenarios.evaluation import TrialTrouble
from tests.scenarios.suites import write_files
from tests.scenarios.test_play import play, scenario

STEPS = [{"name": "go", "run": "echo 3 > made.txt"}]
VERIFY = """#!/usr/bin/env python3
import os, pathlib, sys
import rules
made = pathlib.Path(os.environ["CANDIDATE"], "made.txt")
print(sys.argv[1:], sorted(os.listdir()), file=sys.stderr)
print("first line")
if not rules.accepts(made.read_text().strip()):
    print("made.txt contains", made.read_text().strip())
    sys.exit(1)
made.write_text("changed by the verifier")
"""
CHECKS = {"checks/verify": VERIFY, "checks/rules.py": "def accepts(text): return text == '3'\n"}


def verify(
    tmp_path: Path,
    checks: dict[str, str],
    tree: dict[str, str],
    *,
    steps: list[dict[str, Any]] = STEPS,
    **options: Any,
) -> CheckResult:
    check = {"kind": "command", "program": "verify", **options}
    suite = write_files(tmp_path / "suite", checks)
    folder = write_files(tmp_path / "tree", tree)
    folder.mkdir(exist_ok=True)
    return play(folder, scenario(steps, [check]), suite=suite).checks[0]


def test_exit_status_and_last_line_of_a_verifier_are_the_verdict(tmp_path: Path) -> None:
    result = verify(tmp_path, CHECKS, {})
    assert (result.passed, result.reason) == (True, "verify ended with 0: first line")
    assert (tmp_path / "tree" / "made.txt").read_text() == "3\n"
    assert [one.name for one in tmp_path.iterdir() if one.name not in ("suite", "tree")] == []
    result = verify(tmp_path, CHECKS, {}, steps=[{"name": "go", "run": "echo 4 > made.txt"}])
    assert (result.passed, result.reason) == (False, "verify ended with 1: made.txt contains 4")
    slow = {"checks/verify": "#!/bin/sh\nsleep 30\n"}
    result = verify(tmp_path, slow, {}, timeout="100ms")
    assert (result.passed, result.reason) == (False, "verify exceeded its time limit")


def test_verifier_that_cannot_be_executed_is_a_fault_of_the_suite(tmp_path: Path) -> None:
    for script in ("#!/absent\n", "#!/bin/sh\nabsent-program\n"):
        with pytest.raises(TrialTrouble, match="checks/verify was not executed: .+") as caught:
            verify(tmp_path, {"checks/verify": script}, {})
        assert caught.value.culprit is Culprit.SUITE


def test_verifier_gets_its_arguments_and_sees_only_checks_and_candidate(tmp_path: Path) -> None:
    script = '#!/bin/sh\necho "$1|$2" $(ls -A | tr "\\n" " ") $(ls -A $CANDIDATE)\n'
    tree = {"a.txt": "", ".git/config": ""}
    result = verify(tmp_path, {"checks/verify": script}, tree, args=["a b", "$HOME"])
    assert result.reason == "verify ended with 0: a b|$HOME checks a.txt made.txt"


def test_no_file_of_the_candidate_can_name_a_file_of_a_verifier(tmp_path: Path) -> None:
    script = """#!/bin/sh
    find "$CANDIDATE/../checks" "$CANDIDATE/../../checks" "$CANDIDATE/checks" candidate 2>&-
    echo "$PWD $CANDIDATE"
    """
    places = {verify(tmp_path, {"checks/verify": script}, {}).reason for _ in range(2)}
    assert len(places) == 2
    for place in places:
        assert re.fullmatch(r"verify ended with 0: (.+)/[0-9a-f]{16} \1/[0-9a-f]{16}", place)


def test_candidate_cannot_plant_programs_or_modules_for_a_verifier(tmp_path: Path) -> None:
    plant = "import os; os._exit(0)\n"
    shim = "#!/bin/sh\nexit 0\n"
    tree = {
        **dict.fromkeys(("conftest.py", "sitecustomize.py", "usercustomize.py"), plant),
        **dict.fromkeys(("rules.py", "checks/rules.py", "candidate.pth", "os.py"), plant),
        **dict.fromkeys(("python3", "env", "bin/python3", "checks/verify"), shim),
        ".env": "PYTHONPATH=.\nPATH=.\n",
        ".bashrc": "exit 0\n",
    }
    steps: list[dict[str, Any]] = [
        {
            "name": "go",
            "run": "echo 4 > made.txt; export PATH=.:$PATH PYTHONPATH=. PYTHONSTARTUP=rules.py",
            "env": {"PATH": ".", "PYTHONPATH": "."},
        }
    ]
    result = verify(tmp_path, CHECKS, tree, steps=steps)
    assert (result.passed, result.reason) == (False, "verify ended with 1: made.txt contains 4")


MODULES = "json csv random string calendar secrets textwrap shlex difflib hashlib uuid argparse"
VISITS = [
    *(f"python3 -c 'import {name}'" for name in MODULES.split()),
    *(f"python3 -m {name} </dev/null" for name in ("json.tool", "calendar", "this", "site")),
    *(
        "python3 -c 'import lib.json'",
        "echo 'import json' | python3",
        "python3 -W ignore -c 'import csv'",
    ),
    *(f"{where} python3 -c 'import json'" for where in ("nice", "env A=1", "timeout 9", "sh -c")),
    *(f"git {one}" for one in ("status", "log", "diff", "ls-files", "describe --all", "branch")),
    *(
        f"git {one}"
        for one in ("stash list", "rev-parse HEAD", "config -l", "show", "blame out.txt")
    ),
    *(f"git -C sub {one}" for one in ("status", "diff", "add -A", "commit -am x", "checkout .")),
    *(f"git -C bare {one}" for one in ("status", "log", "fetch .", "gc")),
    *("perl -Mstrict -e 1", "perl -MJSON::PP -e 1", "node -e \"require('fs')\"", "bash -lc true"),
    *("bash -c true", "sh -c true", "java -version", "PYTHONPATH= python3 -c 'import json'"),
]


def test_verifier_that_enters_the_candidate_loads_nothing_of_it(tmp_path: Path) -> None:
    plant = 'open(__import__("os").environ["CANDIDATE"] + "/out.txt", "a").write("right")\n'
    script = '#!/bin/sh\nprintf right >> "$CANDIDATE/out.txt"\n'
    modules = [*MODULES.split(), "this", "site", "sitecustomize", "usercustomize", "lib/json"]
    monitored = "[core]\n\tfsmonitor = ../run.sh\n\thooksPath = ..\n\tworktree = .\n\tbare = {}\n"
    repository = {"HEAD": "ref: refs/heads/main\n", "objects/a": "", "refs/a": ""}
    tree = {
        **{f"{name}.py": plant for name in modules},
        **dict.fromkeys(("strict.pm", "JSON/PP.pm"), "system('sh run.sh'); 1;"),
        **dict.fromkeys(
            ("run.sh", "bare/run.sh", "pre-commit", "post-checkout", ".profile", ".bashrc"), script
        ),
        "node_modules/fs/index.js": "require('child_process').execSync('sh run.sh')",
        **repository,
        "config": monitored.format("true").replace("../", "./"),
        **{f"bare/{name}": text for name, text in repository.items()},
        "bare/config": monitored.format("true"),
        **{f"sub/.git/{name}": text for name, text in repository.items()},
        "sub/.git/config": monitored.format("false"),
    }
    visits = "".join(
        f'( {one} ) >&2\n[ "$(cat out.txt)" = wrong ] && n=$((n+1))\n' for one in VISITS
    )
    checks = {"checks/verify": f'#!/bin/sh\ncd "$CANDIDATE"\nn=0\n{visits}echo $n\n'}
    steps = [
        {
            "name": "go",
            "run": "chmod +x *.sh */*.sh pre-commit post-checkout; printf wrong > out.txt",
        }
    ]
    result = verify(tmp_path, checks, tree, steps=steps)
    assert result.reason == f"verify ended with 0: {len(VISITS)}"
    assert len(VISITS) >= 50
