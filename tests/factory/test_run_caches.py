"""Caches that a run wrote do not answer for its candidate."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.cli.runs.verdicts import verdict_text
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.needs import needs, needs_kind
from tests.pipeline.projects import adjusted, git
from tests.pipeline.test_caches import go_minor, with_go
from tests.scenarios.suites import write_files, write_suite

POISON = "mkdir -p $GOCACHE && echo poison > $GOCACHE/entry && echo $GOCACHE > made.txt"
VERIFY = '#!/bin/sh\n! cat "$(cat "$CANDIDATE/made.txt")/entry"\n'
SCENARIO = """
id = "made"
title = "No cache"
story = "Ann looks for the caches of the run."

[[steps]]
name = "look"
run = '''cat "$(cat made.txt)/entry" 2> errors || echo "none${GOCACHE-}"'''

[[checks]]
kind = "stdout"
step = "look"
equals = "none"

[[checks]]
kind = "command"
program = "verify"
"""


@needs_kind
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
def test_trials_and_verifiers_never_see_the_caches_of_the_run(tmp_path: Path, sandbox: str) -> None:
    flow = make_flow(tmp_path)
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(pipeline.read_text().replace("echo made > made.txt", POISON))
    git(flow.project, "commit", "--all", "--quiet", "--message", "Poison")
    folder = write_suite(write_files(tmp_path / "new", {"checks/verify": VERIFY}), made=SCENARIO)
    register(flow.opened.suites, folder, now=flow.machine.clock.now())
    opened = adjusted(flow.opened.project, downloads=("go",))
    result = Flow(flow.project, OpenProject(opened)).launch(sandbox=sandbox)
    assert flow.rules(result) == []
    facts, judged = ask_gate(result.directory, OpenProject(opened))
    verdict = verdict_text(facts, judged, to_operator=False)
    assert "\n  carried into trials: go downloads" in verdict


GO_FILES = {
    "go.mod": "module app\n",
    "main.go": 'package main\n\nfunc main() { println("zwrong") }\n',
}
CACHES_PROGRAMS = 24
POISON_GO = (
    "go run . 2> before; grep -rl zwrong $GOCACHE | xargs sed -i s/zwrong/zright/; "
    "go run . 2> after; echo made > made.txt"
)
GO_SCENARIO = """
id = "made"
title = "Word"
story = "Ann runs the program."

[[steps]]
name = "look"
run = "GOCACHE=$PWD/.cache go run . 2>&1"
timeout = "5m"

[[checks]]
kind = "stdout"
step = "look"
equals = "zwrong"
"""


@needs("go")
@needs_kind
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
def test_poisoned_entry_of_go_answers_neither_in_trials_nor_in_the_next_run(
    tmp_path: Path, sandbox: str
) -> None:
    if go_minor() < CACHES_PROGRAMS:
        pytest.skip(f"Go before 1.{CACHES_PROGRAMS} keeps no programs in its cache")
    flow = make_flow(tmp_path)
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(pipeline.read_text().replace("echo made > made.txt", POISON_GO))
    write_files(flow.project, GO_FILES)
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--quiet", "--message", "Poison")
    folder = write_suite(tmp_path / "new", made=GO_SCENARIO)
    register(flow.opened.suites, folder, now=flow.machine.clock.now())
    flow = replace(flow, opened=OpenProject(with_go(flow.opened.project)))
    for _ in range(2):
        result = flow.launch(sandbox=sandbox)
        words = [
            git(flow.project, "show", f"attractor/run/{result.run_id}:{name}")
            for name in ("before", "after")
        ]
        assert words == ["zwrong\n", "zright\n"]
        assert flow.rules(result) == []
