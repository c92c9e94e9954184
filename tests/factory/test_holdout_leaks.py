"""Attempts to read the holdouts, and runs in which a holdout leaked."""

import os
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from attractor.engine.errors import RunOver
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER, AWAITING_DECISION, FAILED
from attractor.engine.storage.secrets import Redactor
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.run_end import record_end
from attractor.factory.errors import Retired
from attractor.factory.history.records import leaks_of
from attractor.pipeline.orders import Orders
from tests.counts import IS_FULL
from tests.engine.runs import read_events
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.factory.resources.stores import register
from tests.factory.test_forked_runs import forked
from tests.needs import needs_sandbox
from tests.pipeline.projects import LINEAR, git
from tests.scenarios.suites import SUITE, write_files, write_suite

CANARY = "canary-of-the-quokka"
STORY = "Ann looks into the file."
WITH_CANARY = f'{SUITE}[isolation]\ncanary = "{CANARY}"\n'
HELD = f"# {CANARY}\n{HOLDOUT.format(wanted='made')}"


def make_project(tmp_path: Path) -> Flow:
    """Make a project with its suite committed in it."""
    flow = make_flow(tmp_path, suite=WITH_CANARY, made=HELD)
    write_suite(flow.project / "scenarios" / "todo", suite=WITH_CANARY, made=HELD)
    return commit(flow)


def commit(flow: Flow, **files: str) -> Flow:
    write_files(flow.project, files)
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--quiet", "--message", "More")
    return flow


def places_of_leaks(flow: Flow) -> list[str]:
    return [one for entry in flow.evaluator.ledger.entries() for one in leaks_of([entry])]


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "reversed": lambda text: text[::-1],
}


# The search for each form is tested in `evaluation/test_leaks.py`.
@pytest.mark.parametrize("form", FORMS if IS_FULL else ["base64"])
def test_canary_fails_the_run_and_burns_the_suite(tmp_path: Path, form: str) -> None:
    flow = commit(make_project(tmp_path), **{"notes.txt": FORMS[form](CANARY)})
    result = flow.launch()
    assert result.status == FAILED
    place, packed = places_of_leaks(flow)
    assert place == "workspace: notes.txt"
    assert packed.startswith("workspace: .git/objects/pack/")
    assert flow.rules(result) == ["no_verdict", "holdout_leak", "suite_burned"]
    assert not any(one.type == "TrialStarted" for one in read_events(result.directory))
    with pytest.raises(Retired, match="burned"):
        flow.launch()
    stores, now = flow.opened, flow.machine.clock.now()
    with pytest.raises(Retired, match="is burned since"):
        register(stores.suites, tmp_path / "suite", now=now)


def test_canary_in_the_output_of_a_tool_is_found(tmp_path: Path) -> None:
    spelled = LINEAR.replace("echo made", "printf canary-of-the-%s quokka")
    to_stdout = LINEAR.replace("echo made > made.txt", "printf canary-of-the-%s quokka")
    for number, pipeline in enumerate((spelled, to_stdout)):
        flow = commit(make_project(tmp_path / f"{number}"), **{"pipeline.dot": pipeline})
        assert flow.launch().status == FAILED
        assert any("make" in one for one in places_of_leaks(flow))


SPELLED = "printf canary-of-the-%s quokka"
FAILING = LINEAR.replace("echo made > made.txt", f"{SPELLED}; exit 1")
ASKING = f"""
digraph linear {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [shape=parallelogram, tool_command="{SPELLED}"]
    ask   [shape=hexagon, label="Go on?"]
    start -> make -> ask -> exit
}}
"""


def cancel(flow: Flow, result: RunResult) -> None:
    end = partial(record_end, flow.opened)
    Orders(result.directory, "ann", flow.machine.clock, os.urandom, Redactor(), end).cancel()


@pytest.mark.parametrize("pipeline", [FAILING, ASKING])
def test_canary_in_a_failed_or_canceled_run_burns_the_suite(tmp_path: Path, pipeline: str) -> None:
    flow = commit(make_project(tmp_path), **{"pipeline.dot": pipeline})
    messages: list[str] = []
    flow = flow.adjusted(tell=messages.append)
    result = flow.launch(interviewer="park")
    if result.status == AWAITING_ANSWER:
        cancel(flow, result)
    assert "run: make/stdout.txt" in places_of_leaks(flow)
    assert flow.rules(result)[1:] == ["holdout_leak", "suite_burned"]
    assert f"attractor gate {result.run_id} --operator" in messages[-1]


@pytest.mark.parametrize("pipeline", [FAILING, ASKING])
def test_run_ends_unsearched_while_its_sealed_suite_is_unreadable(
    tmp_path: Path, pipeline: str
) -> None:
    flow = commit(make_project(tmp_path), **{"pipeline.dot": pipeline})
    messages: list[str] = []
    flow = flow.adjusted(tell=messages.append)
    sealed, hidden = flow.machine.state_dir / "suites" / "sealed", tmp_path / "lost"
    losing = pipeline.replace("printf", f"mv {sealed} {hidden}; printf")
    commit(flow, **{"pipeline.dot": losing})
    result = flow.launch(interviewer="park")
    if result.status == AWAITING_ANSWER:
        cancel(flow, result)
    assert "were not searched for holdouts: the sealed suite" in messages[-1]
    hidden.rename(sealed)
    assert flow.rules(result) == ["no_verdict", "holdout_leak"]
    assert "the run ended without a search for leaks" in str(flow.report(result).to_record())
    end = [one for one in flow.evaluator.ledger.entries(result.run_id) if one.kind == "ended"]
    assert [one.data["status"] for one in end] == [
        read_candidate_run(result.directory).state.status.word
    ]


def test_fork_is_searched_with_the_run_that_it_continues(tmp_path: Path) -> None:
    flow = commit(make_project(tmp_path), **{"pipeline.dot": ASKING})
    waiting = flow.launch(interviewer="park")
    other = tmp_path / "other.dot"
    other.write_text(LINEAR.replace("echo made > made.txt", "exit 1"))
    assert forked(flow, waiting, "make", other).status == FAILED
    assert f"run {waiting.run_id}: make/stdout.txt" in places_of_leaks(flow)


def test_run_that_pinned_the_burned_suite_gets_no_approval(tmp_path: Path) -> None:
    flow = make_project(tmp_path)
    before = flow.launch()
    assert flow.rules(before) == []
    commit(flow, **{"notes.txt": CANARY})
    assert flow.launch().status == FAILED
    assert flow.rules(before) == ["suite_burned"]


def test_run_that_died_after_its_leak_was_recorded_fails(tmp_path: Path) -> None:
    flow = commit(make_project(tmp_path), **{"notes.txt": CANARY})
    result = flow.launch(evaluate=False)
    ledger, now = flow.evaluator.ledger, flow.machine.clock.now()
    head = read_events(result.directory)[-1].hash
    ledger.append("ended", result.run_id, {"status": "failed", "journal_head": head}, now=now)
    with pytest.raises(RunOver, match="is failed"):
        flow.resume(result)


# System programs are not searched: they are many, and contain nothing of a project.
LOOK = """
cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'
for place in {places}; do
  find -L $place -maxdepth 9 '(' -path '*/usr' -o -path '*/proc' -o -path '*/sys' ')' -prune -o \\
    -type f -size -64k '(' -name '*.toml' -o -name '*.json*' ')' -print
done | sort -u | head -n 2000 | tr '\\n' '\\0' | xargs -0 cat
git log --all --patch
git cat-file --batch-all-objects --batch
git --git-dir={home}/project/.git log --all --patch
ln -s {home}/state out; cat out/suites/sealed/*/holdout/*
ln -s {home}/project there; cat there/scenarios/*/*/*
for process in /proc/[0-9]*; do
  cat $process/root{home}/project/scenarios/*/*/* $process/cwd/../*/scenarios/*/*/*
  cat $process/root{home}/state/suites/sealed/*/holdout/*
done
cat {home}/project/runs/*/events.jsonl {home}/state/results/*/*/*
rm -f out there
"""
ATTACK = LINEAR.replace("echo made > made.txt", "sh look.sh 2>&1; echo made > made.txt")
EVERYWHERE = ".. ../.. /tmp /var/tmp /dev/shm {home}"


@needs_sandbox
def test_agent_with_a_shell_finds_no_holdout(tmp_path: Path) -> None:
    flow = make_project(tmp_path)
    flow.launch()
    look = LOOK.format(home=tmp_path, places=EVERYWHERE.format(home=tmp_path))
    commit(flow, **{"look.sh": look, "pipeline.dot": ATTACK})
    result = flow.launch(sandbox="auto", profile="strict")
    assert result.status == AWAITING_DECISION
    assert flow.rules(result) == []
    assert STORY not in seen(result)


def test_attack_of_an_agent_without_a_sandbox_is_detected(tmp_path: Path) -> None:
    flow = make_project(tmp_path)
    look = LOOK.format(home=tmp_path, places=tmp_path)
    commit(flow, **{"look.sh": look, "pipeline.dot": ATTACK})
    result = flow.launch()
    assert result.status == FAILED
    assert STORY in seen(result)
    assert places_of_leaks(flow)


def seen(result: RunResult) -> str:
    """Return the output of the stage that searches."""
    return (result.directory / "make" / "stdout.txt").read_text("utf-8", "replace")
