"""Programs of a person's own carried folders do not answer for the candidate."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.runs.verdicts import verdict_text
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.environments.environment import Promises
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.gate_records import CarriedPaths
from attractor.factory.history.records import EvaluationStart
from attractor.factory.history.trials import EvaluationId, TrialLog
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.gate import ask_gate
from attractor.factory.operations.lock import lock_run
from attractor.factory.operations.resume import resume_run
from attractor.factory.registration.register_suite import register_suite
from attractor.records.lookup import find_run
from attractor.scenarios.carried_paths import read_carried
from attractor.scenarios.evaluation import TrialKey
from attractor.scenarios.suite_lint import SuiteRefused
from attractor.workspaces.preparation import NO_PREPARATION
from tests.environments.places import skipping_without_sandbox
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE, write_files, write_suite

SPEND = "#!/bin/sh\necho spent\n"
WITH_BIN = SUITE + '[trials]\ncarry = ["bin"]\n'
SCENARIO = """
id = "made"
title = "It spends"
story = "Ann spends."

[[steps]]
name = "go"
{step}

[[checks]]
{check}
"""
SAYS_SPENT = 'kind = "stdout"\nstep = "go"\nequals = "spent"'
VERIFY = '#!/bin/sh\n"$CANDIDATE/bin/spend" || bin/spend || exit 1\n'
WAYS = pytest.mark.parametrize(
    ("setting", "sandbox"),
    [("carry", "bubblewrap"), ("carry_read_only", "bubblewrap"), ("carry_read_only", "landlock")],
)


def make(
    tmp_path: Path,
    setting: str,
    *,
    step: str,
    suite: str = WITH_BIN,
    check: str = SAYS_SPENT,
    path: str = "bin",
    **files: str,
) -> Flow:
    """Make a project that carries a folder with files, and a suite registered without trials."""
    flow = make_flow(tmp_path)
    written = write_files(
        tmp_path / "suite", {"checks/verify": VERIFY} if "verify" in check else {}
    )
    folder = write_suite(written, suite=suite, made=SCENARIO.format(step=step, check=check))
    register(flow.opened.suites, folder, now=flow.machine.clock.now())
    write_files(flow.project, {".gitignore": f"/{path}/\n", **(files or {f"{path}/spend": SPEND})})
    git(flow.project, "add", ".gitignore")
    git(flow.project, "commit", "--quiet", "--message", "Ignore")
    preparation = replace(NO_PREPARATION, **{setting: (path,)})
    return flow.adjusted(preparation=preparation)


def launch(flow: Flow, sandbox: str = "none") -> Any:
    with skipping_without_sandbox():
        return flow.launch(sandbox=sandbox)


def evaluated(flow: Flow) -> list[dict[str, Any]]:
    entries = flow.evaluator.ledger.entries()
    return [json.loads(json.dumps(one.data)) for one in entries if one.kind == LineKind.EVALUATED]


@WAYS
@pytest.mark.parametrize(
    ("suite", "step", "path"),
    [
        (WITH_BIN, 'run = "bin/spend"', "bin"),
        (WITH_BIN, 'run = "spend"\nenv = { PATH = "bin:/usr/bin:/bin" }', "bin"),
        (SUITE, 'run = ".venv/spend"', ".venv"),
    ],
    ids=["program", "PATH", "installed"],
)
def test_evaluation_ends_if_a_program_that_does_nothing_passes_with_carried_paths(
    tmp_path: Path, setting: str, sandbox: str, suite: str, step: str, path: str
) -> None:
    flow = make(tmp_path, setting, suite=suite, step=step, path=path)
    with pytest.raises(SuiteRefused) as refused:
        launch(flow, sandbox)
    [fault] = refused.value.faults
    opaque = flow.evaluator.results.opaque_name("made")
    assert fault.words == (
        f"holdout {opaque} is passed by {path}, which is your folder's, not the candidate's"
    )
    assert evaluated(flow) == []
    (flow.project / path / "spend").unlink()
    root = find_run("latest", flow.runs_dir)
    result = asyncio.run(resume_run(root, flow.opened))
    assert result.status == AWAITING_DECISION
    assert "unresolved_failure" in flow.rules(result)
    [data] = evaluated(flow)
    assert data["carried"]["paths"] == [path]


@WAYS
@pytest.mark.parametrize(
    ("suite", "step", "check"),
    [
        (SUITE, 'run = "bin/spend"', SAYS_SPENT),
        (WITH_BIN, 'run = "true"', 'kind = "command"\nprogram = "verify"'),
    ],
    ids=["not listed", "verifier"],
)
def test_trials_lack_a_program_that_is_not_listed_and_verifiers_lack_all(
    tmp_path: Path, setting: str, sandbox: str, suite: str, step: str, check: str
) -> None:
    flow = make(tmp_path, setting, suite=suite, step=step, check=check)
    assert "unresolved_failure" in flow.rules(launch(flow, sandbox))


WITH_MADE = 'run = "cat bin/word made.txt"'
WORD = {"bin/word": "spend\n"}
MADE = SAYS_SPENT.replace("spent", "spend\\nmade")


def test_carried_paths_of_the_registration_are_not_played_again(tmp_path: Path) -> None:
    flow = make(tmp_path, "carry", step=WITH_MADE, check=MADE, **WORD)
    messages: list[str] = []
    flow = flow.adjusted(tell=messages.append)
    folder = write_files(tmp_path / "suite", {"README.md": "A new version."})
    asyncio.run(register_suite(folder, flow.opened, sandbox="none", by="ann"))
    result = flow.launch()
    assert flow.rules(result) == []
    assert not any("does nothing plays" in one for one in messages)
    facts, judged = ask_gate(result.directory, flow.opened)
    assert "\n  carried into trials: bin" in verdict_text(facts, judged, to_operator=False)
    write_files(flow.project, {"bin/new": "", "bin/__pycache__/a.pyc": ""})
    assert flow.rules(flow.launch()) == []
    assert any("does nothing plays" in one for one in messages)


def test_carried_paths_that_change_during_an_evaluation_are_a_mismatch(tmp_path: Path) -> None:
    step = f'run = "touch {tmp_path}/project/bin/word && cat bin/word made.txt"'
    flow = make(tmp_path, "carry", step=step, check=MADE, **WORD)
    result = flow.launch()
    assert flow.rules(result) == ["hash_mismatch"]
    assert [one.words for one in flow.report(result).reasons] == [
        "bin changed while trials used it"
    ]


@pytest.mark.parametrize(
    ("content", "have_changed", "is_played", "rules"),
    [
        ("", False, False, []),
        ("", True, False, ["hash_mismatch"]),
        ("other", False, False, ["hash_mismatch"]),
        ("other", False, True, ["unresolved_failure", "satisfaction", "infra_errors"]),
    ],
    ids=["same", "changed earlier", "changed meanwhile", "changed after the last trial"],
)
def test_carried_paths_change_between_the_parts_of_an_evaluation(
    tmp_path: Path, content: str, have_changed: bool, is_played: bool, rules: list[str]
) -> None:
    flow = make(tmp_path, "carry", step=WITH_MADE, check=MADE, **WORD)
    stopped = flow.launch(evaluate=False)
    facts = read_candidate_run(stopped.directory)
    sealed = flow.opened.suite(facts.manifest.suite)
    assert sealed
    now = read_carried(sealed.suite, flow.opened.project.preparation, flow.project)
    carried = CarriedPaths(now.paths, content or now.content, have_changed)
    evaluation_id = EvaluationId(stopped.run_id, 1, facts.tree)
    begun = EvaluationStart(evaluation_id, sealed.seal, Promises(), (), carried).to_record()
    flow.evaluator.ledger.append(
        LineKind.EVALUATION_BEGUN, stopped.run_id, begun, now=flow.machine.clock.now()
    )
    if is_played:
        with lock_run(stopped.directory, flow.opened) as run:
            TrialLog(run, evaluation_id, flow.evaluator.results).started(TrialKey("made", 1))
    assert flow.rules(flow.resume(stopped)) == rules
