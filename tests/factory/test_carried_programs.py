"""Programs of a person's own carried folders do not answer for the candidate."""

import asyncio
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.cli.runs.verdicts import verdict_text
from attractor.environments.environment import Promises
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.lock import lock_run
from attractor.factory.gate_records import CarriedPaths
from attractor.factory.history.records import EvaluationStart
from attractor.factory.history.trials import EvaluationId, TrialLog
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.start import start_run
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.resources.suites import carried_of_registrations
from attractor.pipeline.status import read_status
from attractor.scenarios.carried_paths import read_carried
from attractor.scenarios.evaluation import TrialKey
from attractor.workspaces.preparation import NO_PREPARATION
from tests.counts import count
from tests.environments.places import skipping_without_sandbox
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import git, simulated
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


CHANGED = "carried paths changed since the registration: bin"


def registered(flow: Flow, suite: Path) -> None:
    asyncio.run(register_suite(suite, flow.opened, sandbox="none", by="ann"))


def test_no_go_with_changed_carried_paths_until_a_person_registers_them(tmp_path: Path) -> None:
    flow = make(tmp_path, "carry", step=WITH_MADE, check=MADE, **WORD)
    messages: list[str] = []
    flow = flow.adjusted(tell=messages.append)
    folder = write_files(tmp_path / "suite", {"README.md": "A new version."})
    registered(flow, folder)
    result = flow.launch()
    assert flow.rules(result) == []
    facts, judged = ask_gate(result.directory, flow.opened)
    assert "\n  carried into trials: bin" in verdict_text(facts, judged, to_operator=False)
    write_files(flow.project, {"bin/__pycache__/a.pyc": ""})
    assert flow.rules(flow.launch()) == []
    write_files(flow.project, {"bin/new": "", "bin/word": "spend\n"})
    changed = flow.launch()
    assert [one.words for one in flow.report(changed).reasons] == [CHANGED]
    assert f"{CHANGED}/new. The gate is no-go until a person registers again." in messages
    assert flow.rules(result) == []
    registered(flow, folder)
    assert any(f"{CHANGED}/new " in one for one in messages if "hint: " in one)
    assert flow.rules(changed) == []
    assert flow.rules(flow.launch()) == []


POISON = """digraph {
    start [shape=Mdiamond]; exit [shape=Msquare]
    poison [shape=parallelogram, tool_command="{command}"]
    start -> poison -> exit
}"""


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("echo 'echo made' > bin/word; touch -d 2001-01-01 bin/word", "1 file: bin/word"),
        ("rm bin/word", "1 file: bin"),
        ("ls bin", ""),
        ("mkdir bin/__pycache__; touch bin/__pycache__/a.pyc", ""),
        ("mkdir bin/new; touch bin/new/a", "1 file: bin/new/a"),
    ],
)
def test_run_in_the_project_folder_names_changed_carried_paths(
    tmp_path: Path, command: str, named: str
) -> None:
    flow = make(tmp_path, "carry", step=WITH_MADE, check=MADE, **WORD)
    messages: list[str] = []
    flow = flow.adjusted(tell=messages.append)
    file = tmp_path / "poison.dot"
    file.write_text(POISON.replace("{command}", command))
    request = simulated(flow.project, file=file, workspace="in-place")
    result = asyncio.run(start_run(request, flow.opened))
    status = read_status(result.directory, flow.runs_dir)
    assert status.delivery.carried == named
    assert any("carried paths changed: " in one for one in messages) == bool(named)


@WAYS
def test_run_in_the_project_folder_cannot_answer_for_a_later_candidate(
    tmp_path: Path, setting: str, sandbox: str
) -> None:
    check = SAYS_SPENT.replace("spent", "right")
    step = 'run = "sh bin/tool"'
    flow = make(tmp_path, setting, step=step, check=check, **{"bin/tool": "cat made.txt"})
    registered(flow, write_files(tmp_path / "suite", {"README.md": "A new version."}))
    file = tmp_path / "poison.dot"
    file.write_text(
        POISON.replace("{command}", "echo 'grep -q made made.txt && echo right' > bin/tool")
    )
    asyncio.run(start_run(simulated(flow.project, file=file, workspace="in-place"), flow.opened))
    assert flow.rules(launch(flow, sandbox)) == ["hash_mismatch"]


def test_lock_does_not_register_carried_paths_after_a_run_in_the_project_folder(
    tmp_path: Path,
) -> None:
    ledger, now = make_flow(tmp_path).opened.ledger, datetime.now(UTC)

    def append(kind: LineKind, **data: Json) -> Collection[str]:
        ledger.append(kind, "", {"project": "p", "content": "seal", **data}, now=now)
        return carried_of_registrations(ledger.entries(), "p", "seal")

    suite = LineKind.SUITE_REGISTERED
    assert append(suite, data={"carried": "a", "lock": "commit"}) == {"a"}
    assert append(LineKind.CREATED, in_project=True) == {"a"}
    assert append(suite, data={"carried": "b", "lock": "commit"}) == {"a"}
    assert append(suite, data={"carried": "c"}) == {"a", "c"}


def change_at_random(folder: Path, random: Random) -> None:
    """Change the files of a folder in one of the ways of an agent that hides it."""
    word, new = folder / "word", folder / f"new{random.random()}"
    times = word.stat().st_atime_ns, word.stat().st_mtime_ns
    match random.choice(["append", "same-size", "new", "mode", "link", "folder", "remove"]):
        case "append":
            word.write_text(word.read_text() + "#")
        case "same-size":
            word.write_text(word.read_text().swapcase())
        case "new":
            new.write_text("")
        case "mode":
            word.chmod(word.stat().st_mode ^ 0o100)
        case "link":
            word.rename(new)
            word.symlink_to(new.name)
        case "folder":
            write_files(folder, {f"{new.name}/sitecustomize.py": "1"})
        case _:
            word.unlink()
            return
    os.utime(word, ns=times)


def test_no_random_change_of_carried_paths_leads_to_a_go(tmp_path: Path) -> None:
    step = 'run = "cat made.txt"\ncwd = "."'
    flow = make(tmp_path, "carry", step=step, check=SAYS_SPENT.replace("spent", "made"), **WORD)
    registered(flow, write_files(tmp_path / "suite", {"README.md": "A new version."}))
    assert flow.rules(flow.launch()) == []
    random, folder = Random(79), flow.project / "bin"
    for _ in range(count(ci=3, full=200)):
        shutil.rmtree(folder)
        write_files(flow.project, WORD)
        change_at_random(folder, random)
        assert flow.rules(flow.launch()) == ["hash_mismatch"]


def test_a_passed_trial_with_changed_carried_paths_does_not_count(tmp_path: Path) -> None:
    check = SAYS_SPENT.replace("spent", "made")
    flow = make(tmp_path, "carry", step='run = "sh bin/word"', check=check, **{"bin/word": "pwd"})
    registered(flow, write_files(tmp_path / "suite", {"README.md": "A new version."}))
    (flow.project / "bin/word").write_text("echo made")
    changed = flow.launch()
    assert flow.rules(changed) == ["hash_mismatch"]
    (flow.project / "bin/word").write_text("pwd")
    assert "unresolved_failure" in flow.rules(flow.launch())
    assert len(evaluated(flow)) == 2


def test_carried_paths_that_change_during_an_evaluation_are_a_mismatch(tmp_path: Path) -> None:
    touch = f"[ ! -e {tmp_path}/go ] || touch {tmp_path}/project/bin/word"
    step = f'run = "{touch}; cat bin/word made.txt"'
    flow = make(tmp_path, "carry", step=step, check=MADE, **WORD)
    registered(flow, write_files(tmp_path / "suite", {"README.md": "A new version."}))
    (tmp_path / "go").touch()
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
        (
            "other",
            False,
            True,
            ["hash_mismatch", "unresolved_failure", "satisfaction", "infra_errors"],
        ),
    ],
    ids=["same", "changed earlier", "changed meanwhile", "changed after the last trial"],
)
def test_carried_paths_change_between_the_parts_of_an_evaluation(
    tmp_path: Path, content: str, have_changed: bool, is_played: bool, rules: list[str]
) -> None:
    flow = make(tmp_path, "carry", step=WITH_MADE, check=MADE, **WORD)
    registered(flow, write_files(tmp_path / "suite", {"README.md": "A new version."}))
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
