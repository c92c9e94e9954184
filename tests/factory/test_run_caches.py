"""Caches that a run wrote do not answer for its candidate."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.cli.runs.verdicts import verdict_text
from attractor.environments.errors import SandboxUnavailable
from attractor.factory.operations.gate import ask_gate
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import git
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


@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
def test_trials_and_verifiers_never_see_the_caches_of_the_run(tmp_path: Path, sandbox: str) -> None:
    flow = make_flow(tmp_path)
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(pipeline.read_text().replace("echo made > made.txt", POISON))
    git(flow.project, "commit", "--all", "--quiet", "--message", "Poison")
    folder = write_suite(write_files(tmp_path / "new", {"checks/verify": VERIFY}), made=SCENARIO)
    register(flow.evaluator.stores.suites, folder, now=flow.host.clock.now())
    host = replace(flow.host, downloads=("go",))
    try:
        result = Flow(flow.project, host).launch(sandbox=sandbox)
    except SandboxUnavailable as error:
        pytest.skip(error.message)
    assert flow.rules(result) == []
    facts, judged = ask_gate(result.directory, host)
    verdict = verdict_text(facts, judged, to_operator=False)
    assert "\n  carried into trials: go downloads" in verdict
