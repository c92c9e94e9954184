"""`decide`, `amend`, `rebase`, `rollback` and `history`, used by people and by programs."""

import asyncio
import json
import shutil
from pathlib import Path

from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.operations.resume import resume_run
from attractor.records.request import Overrides
from tests.cli.test_judging import call
from tests.factory.decisions.test_decide import make_mixed
from tests.factory.decisions.test_rebase import commit_file
from tests.factory.flows import make_flow
from tests.pipeline.projects import LINEAR, git

WORDS = ("made looks", "made.txt is", "It is made", "else")
RATIONALE = ("--reason", "It says what it should.")


def test_person_sees_all_before_deciding(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    earlier, result = flow.launch(), flow.launch()
    flow.waive(result, "made")
    refused = call(flow, "decide")
    assert (refused.returncode, "error: 2 runs wait for this" in refused.stderr) == (2, True)
    for run_id in (earlier.run_id, result.run_id):
        assert f"  attractor decide {run_id}  # Say hello\n" in refused.stderr
    shown = call(flow, "decide", "latest")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    base = git(flow.project, "rev-parse", "--short=12", "main").strip()
    good = flow.evaluator.results.opaque_name("good")
    made = flow.evaluator.results.opaque_name("made")
    whole = call(flow, "decide", "latest", "--all").stdout
    assert len(whole.splitlines()) > len(lines)
    for line in (
        f"run {result.run_id}: awaiting_human (decision)",
        "  goal: Say hello",
        "  changes: 1 file changed, +1 -0",
        f"  all changes: git diff {base}..attractor/run/{result.run_id}",
        "gate: go",
        f"  {good}: passed 2/2; earlier 1/1",
        "cost: 0 tokens",
        "assumed: nothing",
        f'decide with: attractor decide {result.run_id} --approve --reason "..."',
    ):
        assert line in lines, shown.stdout
    assert " rules passed or unused: no_suite, " in shown.stdout
    assert not any(line.split()[:2] == ["passed", "no_suite"] for line in lines)
    rules = [line.split(maxsplit=2) for line in whole.splitlines()]
    assert ["passed", "unresolved_failure", "0 of 2 (1 waived)    0"] in rules
    assert ["unused", "must"] in rules
    assert f"  {made}: failed 0/2; earlier 0/1; waived until 20" in shown.stdout
    assert "\nleft out: of the project /scenarios/, /runs/; new files that match" in shown.stdout
    assert "\njudged by: suite todo@1 (seal " in shown.stdout
    assert "), profile lenient@1 (seal " in shown.stdout
    assert not any(word in shown.stdout for word in WORDS)
    output = call(flow, "decide", "latest", "--operator").stdout
    assert f"{made} made (It is made): failed 0/2; earlier 0/1" in output
    record = json.loads(call(flow, "decide", "latest", "--json").stdout)
    assert [one["name"] for one in record["scenarios"]][:2] == [good, made]
    assert record["scenarios"][0]["earlier"][0]["run_id"] == earlier.run_id
    assert {one["rule"] for one in record["gate"]["rules"]} >= {"unresolved_failure", "must"}
    assert record["changes"]["count"] == 1
    assert record["judged_by"]["suite"].startswith("todo@1#")
    assert not any(word in json.dumps(record) for word in WORDS)


def test_status_without_a_run_is_the_newest_or_a_list_of_those_that_wait(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    runs = [flow.launch(), flow.launch()]
    refused = call(flow, "status").stderr
    assert "error: 2 runs wait for this" in refused
    assert all(f"  attractor status {run.run_id}  # Say hello\n" in refused for run in runs)
    flow.decide(runs[1], DecisionKind.REJECTED)
    assert json.loads(call(flow, "status", "--json").stdout)["run_id"] == runs[1].run_id


def test_promote_without_a_run_leaves_out_what_was_superseded_merged_or_rolled_back(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    different = LINEAR.replace("echo made > made.txt", "echo made > made.txt; date +%N > now.txt")
    (flow.project / "pipeline.dot").write_text(different)
    goals = ("Say hello", "Say hello", "Say goodbye", "Say one", "Say two")
    superseded, promoted, back, *waiting = [flow.launch(goal=goal) for goal in goals]
    for one in (superseded, promoted, back, *waiting):
        flow.decide(one, DecisionKind.APPROVED)
    for one, branch in ((promoted, "first"), (back, "second")):
        git(flow.project, "branch", branch)
        flow.promote(one, branch)
    flow.roll_back(back, branch="second")
    listed = call(flow, "promote").stderr
    assert "error: 2 runs wait for this" in listed
    assert all(f"  attractor promote {one.run_id}  # Say" in listed for one in waiting)
    git(flow.project, "merge", "--quiet", f"attractor/run/{waiting[1].run_id}")
    assert f"attractor rebase {waiting[0].run_id} --onto main" in call(flow, "promote").stderr


def test_message_of_an_actor_is_not_the_run_that_waits(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    earlier = flow.launch()
    result = flow.launch(feedback=earlier)
    spawn = ("actor", "spawn", "--with", "simulate", "--sandbox", "none", "--name", "fix")
    try:
        spawned = call(flow, *spawn, "--pipeline", "pipeline.dot", "Fix it")
        assert spawned.returncode == 0, spawned.stderr
        call(flow, "actor", "wait", "fix", "--timeout", "60s")
    finally:
        call(flow, "actor", "stop", "fix")
    newest = json.loads(call(flow, "status", "latest", "--json").stdout)
    assert newest["actor"] == "fix"
    token = flow.make_token()
    refused = call(flow, "decide", newest["run_id"], "--approve", *RATIONALE, ATTRACTOR_TOKEN=token)
    assert "attractor dimension submit fix --suite SUITE" in refused.stderr
    assert json.loads(call(flow, "status", "--json").stdout)["run_id"] == result.run_id
    assert call(flow, "gate").returncode == 0
    decided = call(flow, "decide", "--approve", *RATIONALE, ATTRACTOR_TOKEN=token)
    assert decided.stdout.startswith(f"run {result.run_id}: approved"), decided.stderr
    assert call(flow, "promote", ATTRACTOR_TOKEN=token).stdout.startswith("main is now ")


def test_decision_names_the_pipeline_that_a_person_accepted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    file = flow.project / "pipeline.dot"
    file.write_text(LINEAR.replace("-> exit", "-> ask -> exit\n    ask [shape=hexagon]"))
    waiting = flow.launch(interviewer="park")
    file.write_text(file.read_text().replace("Plan:", "Plan well:"))
    overrides = Overrides(accepts_graph="ann", interviewer="auto_approve", evaluate=True)
    asyncio.run(resume_run(waiting.directory, flow.opened, overrides))
    version = flow.opened.pipelines.versions.find("linear@2")
    assert f"pipeline linear (seal {version.content[:12]})" in call(flow, "gate").stdout
    judged_by = json.loads(call(flow, "decide", "--json").stdout)["judged_by"]
    assert judged_by["pipeline_hash"] == version.content
    decision = flow.decide(waiting, DecisionKind.APPROVED)
    assert decision.data["registered"] == version.pinned


def test_waiver_decision_and_amendment_are_listed(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    run_id = flow.launch().run_id
    token = flow.make_token()
    made = flow.evaluator.results.opaque_name("made")
    waive = ("decide", "latest", "--waive", made, "--reason", "Ann fixes it on Monday.")
    for words in ("--approve", f"--waive={made}"):
        refused = call(flow, "decide", words, ATTRACTOR_TOKEN=token)
        said = 'error: missing reason (say why: --reason "...")\n'
        assert (refused.returncode, refused.stderr) == (2, said)
    unproved = call(flow, *waive)
    assert (unproved.returncode, "cannot prove who decides" in unproved.stderr) == (2, True)
    waived = call(flow, *waive, "--expires", "3d", ATTRACTOR_TOKEN=token)
    assert waived.returncode == 0, waived.stderr
    assert waived.stdout.startswith(f"run {run_id}: scenario {made} waived until 20")
    approved = call(flow, "decide", "--approve", *RATIONALE, ATTRACTOR_TOKEN=token)
    assert approved.returncode == 0, approved.stderr
    again = call(flow, "decide", "--reject", *RATIONALE, ATTRACTOR_TOKEN=token)
    assert again.returncode == 4
    amended = call(flow, "amend", "--note", "Monday is a holiday.", ATTRACTOR_TOKEN=token)
    assert amended.returncode == 0, amended.stderr
    assert call(flow, "promote", ATTRACTOR_TOKEN=flow.make_token("operate")).returncode == 2
    assert call(flow, "promote", ATTRACTOR_TOKEN=token).returncode == 0
    back = call(flow, "rollback", "--reason", "It broke the shop.", ATTRACTOR_TOKEN=token)
    assert back.stdout.startswith("rolled back: main is now "), back.stderr
    logged = call(flow, "logs").stdout
    for action in (
        f"scenario {made} waived by ann-decide: Ann fixes it on Monday.",
        f"approved by ann-decide: {RATIONALE[1]}",
        "decision amended by ann-decide: Monday is a holiday.",
        "promoted to main by ann-decide",
        "rolled back from main by ann-decide",
    ):
        assert action in logged
    records = json.loads(call(flow, "history", "--json").stdout)
    kinds = ["waived", "decided", "amended", "promoted", "rolled_back"]
    assert [one["kind"] for one in records] == kinds
    assert {(one["run_id"], one["pipeline"]) for one in records} == {(run_id, "linear")}
    lines = call(flow, "history", "--pipeline", "linear", "--since", "1h").stdout.splitlines()
    assert len(lines) == len(kinds)
    assert lines[2].endswith("amended by ann-decide  Monday is a holiday.")
    for words in (["--pipeline", "other"], ["--since", "0s"]):
        assert call(flow, "history", *words).stdout.startswith("There are no decisions.")


def test_recommended_rebase_is_accepted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    commit_file(flow, "other.txt", "meanwhile\n")
    refused = call(flow, "promote")
    assert refused.returncode == 4
    assert f"(attractor rebase {result.run_id} --onto main)" in refused.stderr
    rebased = call(flow, "rebase", result.run_id, "--onto", "main", "--json")
    assert rebased.returncode == 0, rebased.stderr
    record = json.loads(rebased.stdout.splitlines()[-1])
    assert (record["parent"], record["phase"]) == (result.run_id, "decision")
    decide = ("decide", "--approve", *RATIONALE)
    assert call(flow, *decide, ATTRACTOR_TOKEN=flow.make_token()).returncode == 0
    assert call(flow, "promote").returncode == 0
    assert (flow.project / "made.txt").exists()


def test_history_lists_the_project_only(tmp_path: Path) -> None:
    flow, other = make_flow(tmp_path / "one"), make_flow(tmp_path / "two")
    flow.decide(flow.launch(), DecisionKind.APPROVED)
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    assert len(call(flow, "history").stdout.splitlines()) == 1
    elsewhere = call(other, "history", **state)
    assert elsewhere.stdout.startswith("There are no decisions."), elsewhere.stderr


def test_printed_head_reveals_an_older_copy_of_all_records(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch()
    token = {"ATTRACTOR_TOKEN": flow.make_token()}
    records = (flow.machine.state_dir, flow.runs_dir)
    for folder in records:
        shutil.copytree(folder, tmp_path / "older" / folder.name, symlinks=True)
    rejected = call(flow, "decide", "--reject", *RATIONALE, **token)
    head = rejected.stdout.partition("  ledger head: ")[2].strip()
    verified = call(flow, "audit", "verify", "--head", head)
    assert (verified.returncode, f"contains the line {head}." in verified.stdout) == (0, True)
    for folder in records:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "older" / folder.name, folder, symlinks=True)
    approved = call(flow, "decide", "--approve", *RATIONALE, "--json", **token)
    assert approved.returncode == call(flow, "audit", "verify").returncode == 0
    found = call(flow, "audit", "verify", "latest", "--head", head)
    assert (found.returncode, f"lacks the line {head}" in found.stdout) == (6, True)
    promoted = json.loads(call(flow, "promote", "--json", **token).stdout)
    heads = (json.loads(approved.stdout)["ledger_head"], promoted["ledger_head"])
    for name in (*heads, promoted["commit"], f"7:{heads[0]}", promoted["tag"]):
        assert call(flow, "audit", "verify", "--head", name).returncode == 0
    for name, reason in (
        ("main~1", "has no trailer Attractor-Ledger"),
        ("x", "is neither"),
        ("", "is neither"),
    ):
        refused = call(flow, "audit", "verify", "--head", name)
        assert (refused.returncode, reason in refused.stderr) == (2, True), refused.stderr
