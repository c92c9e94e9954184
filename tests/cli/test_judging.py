"""`gate`, `decide`, `promote` and `suite register`, used by people and by programs."""

import json
import subprocess
from pathlib import Path

import pytest

from attractor.cli.runs.observers import read_outlook
from attractor.cli.runs.results import as_text
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.seams import Stage
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.gate_records import RULES
from attractor.pipeline.project.custom_parts import CustomParts
from tests.cli.running import attractor
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git
from tests.records.diagnosis.test_unchanged import AGENT

NO_GO = 5
WORDS = ("It is made", "standard output of step look is not 'quokka'")


def call(flow: Flow, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    return attractor(*words, folder=flow.project, variables=state | variables)


@pytest.fixture
def red(tmp_path: Path) -> Flow:
    flow = make_flow(tmp_path, wanted="quokka")
    flow.launch()
    return flow


def test_scenarios_are_hidden_from_all_but_the_operator(red: Flow) -> None:
    plain, command = call(red, "gate"), call(red, "gate", "--operator")
    assert (plain.returncode, command.returncode) == (NO_GO, NO_GO)
    assert plain.stdout.startswith("no-go\n  0 of 1 trials satisfied")
    assert not any(words in plain.stdout for words in WORDS)
    assert command.stdout.startswith(plain.stdout.partition("rules:")[0])
    assert all(words in command.stdout for words in WORDS)
    plain_text, shown_to_operator = plain.stdout, command.stdout
    plain = json.loads(call(red, "gate", "--json").stdout)
    command = json.loads(call(red, "gate", "--json", "--operator").stdout)
    [scenario] = command.pop("scenarios")
    assert command.pop("leaks") == []
    assert command == plain
    assert (scenario["scenario"], scenario["title"]) == ("made", WORDS[0])
    assert scenario["reasons"] == [f"stdout: {WORDS[1]}"]
    assert (scenario["stderr"], scenario["remedy"]) == ([], "")
    [printed] = scenario["stdout"]
    assert printed.startswith("look: ")
    assert f"    stdout| {printed}" in shown_to_operator
    assert printed not in plain_text
    shown = ["logs", "logs --json", "status --json", "runs --json", "gate --json", "diagnose"]
    shown += ["decide", "decide --json", "suite show todo", "suite show todo --json"]
    shown += ["suite list"]
    shown += ["suite history todo", "suite history todo --json", "report --json"]
    for words in shown:
        result = call(red, *words.split())
        assert result.returncode in (0, NO_GO), result.stderr
        assert len(result.stdout) > 20, words
        command = result.stdout + result.stderr
        assert not any(one in command for one in (*WORDS, "quokka", "Ann looks")), words
    token = red.make_token()
    words = ["decide", "latest", "--reason", "It is not what was wanted."]
    refused = call(red, *words, "--approve", "--operator", ATTRACTOR_TOKEN=token)
    assert refused.returncode == NO_GO
    assert all(one in refused.stdout for one in WORDS)
    assert not any(one in refused.stderr for one in WORDS)
    done = call(red, *words, "--reject", "--json", ATTRACTOR_TOKEN=token)
    assert done.returncode == 0
    assert not any(one in done.stdout for one in WORDS)


@pytest.mark.parametrize("columns", [80, 40])
def test_every_rule_has_a_readable_line(red: Flow, columns: int) -> None:
    shown = call(red, "gate", "--all", COLUMNS=f"{columns}").stdout
    table = shown.partition("rules:\n")[2].partition("  changes: ")[0].splitlines()
    assert max(map(len, table)) <= columns
    assert sum(rule in shown for rule in RULES) == len(RULES)
    assert shown.count("to change it: fix the") == 2
    if columns == 80:
        assert "  failed  unresolved_failure    1 of 1               0" in table


def test_rules_that_passed_are_only_named(red: Flow) -> None:
    shown = call(red, "gate").stdout
    whole = call(red, "gate", "--all").stdout
    table, names = shown.partition("rules:\n")[2].split(" rules passed or unused: ")
    assert all(rule in shown for rule in RULES)
    assert table.count("  passed  ") == table.count("  passed  isolation_unverified ") == 1
    assert "  failed  unresolved_failure" in table
    assert "(all figures: --all)" in " ".join(names.split())
    assert len(shown.splitlines()) < len(whole.splitlines())


def test_changed_records_are_a_no_go_of_their_own(red: Flow) -> None:
    ledger = red.machine.state_dir / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"created"', b'"CREATED"', 1))
    done = call(red, "gate", "--json")
    assert done.returncode == 6
    record = json.loads(done.stdout)
    assert record["go"] is False
    [reason] = record["reasons"]
    assert reason["rule"] in ("chain_broken", "hash_mismatch")


def test_changes_of_the_judged_tree_are_shown(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    words = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    ran = call(flow, *words, "--suite", "todo", "--profile", "lenient")
    assert ran.returncode == 0, ran.stderr
    shown = ["  changes: 1 file changed, +1 -0", "    made.txt  +1 -0"]
    outputs = [ran, call(flow, "gate")]
    token = flow.make_token()
    decide = ("decide", "--approve", "--reason", "It is good.")
    outputs += [call(flow, *decide, ATTRACTOR_TOKEN=token), call(flow, "promote")]
    for done in outputs:
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        at = lines.index(shown[0])
        assert lines[at : at + len(shown)] == shown, done.args
    record = {
        "count": 1,
        "added": 1,
        "deleted": 0,
        "files": [{"path": "made.txt", "added": 1, "deleted": 0}],
        "starting": [],
        "warnings": [],
    }
    for command in ("gate", "promote"):
        assert json.loads(call(flow, command, "--json").stdout)["changes"] == record


def test_large_new_folders_are_named_by_run_and_gate_and_fail_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "src").mkdir()
    (flow.project / "src" / "old").touch()
    git(flow.project, "add", "src")
    git(flow.project, "commit", "--quiet", "--message", "Sources")
    make = "echo made > made.txt && mkdir -p dist/a src/out few && touch few/a && cd src && touch"
    files = " ".join(f"../dist/a/{number} new{number}" for number in range(60))
    big = "head -c 6000000 /dev/zero > out/big"
    pipeline = flow.project / "pipeline.dot"
    text = pipeline.read_text().replace("echo made > made.txt", f"{make} {files} && {big}")
    pipeline.write_text(text)
    words = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    words = (*words, "--suite", "todo", "--profile", "lenient")
    warning = (
        "large new folders, no result if a build wrote them: dist/ (60 files, 0 bytes), "
        "src/out/ (1 file, 5.7 MiB)"
    )
    for command in (words, ("gate",)):
        shown = call(flow, *command)
        assert shown.returncode == 0, shown.stderr
        assert f"  {warning}" in shown.stdout.splitlines()
    last_line = call(flow, *words, "--json").stdout.splitlines()[-1]
    for record in (last_line, call(flow, "gate", "latest", "--json").stdout):
        assert json.loads(record)["changes"]["warnings"] == [warning]


def test_changes_show_no_secret_in_file_names(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    # The pipeline itself must not contain the secret.
    command = "mkdir d; touch d/$(printf %s%s pLx7u3Rv +mN2=zz)"
    ends = "start [shape=Mdiamond]; exit [shape=Msquare]"
    tool = f'make [shape=parallelogram, tool_command="{command}"]'
    (flow.project / "named.dot").write_text(
        f"digraph g {{ {ends}; {tool}; start -> make -> exit }}"
    )
    run = ("run", "named.dot", "--sandbox", "none")
    secret = "pLx7u3Rv+mN2=zz"
    for words in (run, ("gate",), (*run, "--json"), ("gate", "--json")):
        done = call(flow, *words, DB_PASSWORD=secret)
        assert "d/***" in done.stdout, done.stderr
        assert secret not in done.stdout + done.stderr


def test_unevaluated_run_has_a_remedy(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    run_id = flow.launch(evaluate=False).run_id
    result = call(flow, "gate")
    assert result.returncode == NO_GO
    assert result.stdout.splitlines()[:3] == [
        "not evaluated",
        "  no_verdict: the run was not evaluated",
        f"  evaluate it first: attractor evaluate {run_id}",
    ]
    evaluated = call(flow, "evaluate")
    assert evaluated.returncode == 0
    assert evaluated.stdout.startswith("go\n  1 of 1 trials satisfied")


def test_canceled_run_gets_no_go(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch()
    assert call(flow, "gate").returncode == 0
    assert call(flow, "cancel", "latest").returncode == 0
    result = call(flow, "gate")
    assert result.returncode == NO_GO
    assert result.stdout.startswith("no-go\n  1 of 1 trials satisfied")
    assert "  no_verdict: the run is canceled and cannot be approved\n" in result.stdout


def test_each_recommended_command_is_accepted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    words = ["decide", "latest", "--approve", "--reason", "It is what was wanted."]
    run_id = flow.launch(evaluate=False).run_id
    refused = call(flow, *words)
    assert refused.returncode == 4
    # The hint is not "create a token", because the decision would be refused with a token too.
    assert f"(evaluate it first: attractor evaluate {run_id})" in refused.stderr
    assert call(flow, "evaluate", run_id).returncode == 0
    token = flow.make_token()
    approved = call(flow, *words, ATTRACTOR_TOKEN=token)
    assert approved.returncode == 0, approved.stderr
    assert approved.stdout.splitlines()[-1] == f"  promote:  attractor promote {run_id}"
    assert call(flow, "status").stdout.count("promoted") == 0
    assert call(flow, "promote", run_id).returncode == 0
    assert "\nstatus     approved, promoted to main\n" in call(flow, "status").stdout
    assert " approved, promoted to main " in call(flow, "runs").stdout
    assert ", and promoted to main" in call(flow, "diagnose").stdout
    assert "attractor promote" not in call(flow, "diagnose").stdout
    decided = call(flow, *words, ATTRACTOR_TOKEN=token)
    assert f"attractor amend {run_id}; next: attractor promote {run_id})" in decided.stderr
    again = call(flow, "evaluate", run_id)
    assert again.returncode == 4
    assert f"see: attractor diagnose {run_id})" in again.stderr
    assert call(flow, "diagnose", run_id).returncode == 0


def test_repeated_promotion_is_reported(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.decide(flow.launch(), DecisionKind.APPROVED)
    wrong = call(flow, "promote", "--to", "nope")
    assert wrong.returncode == 2
    assert "unknown branch 'nope' (branches: main;" in wrong.stderr
    first, second = call(flow, "promote"), call(flow, "promote")
    assert (first.returncode, second.returncode) == (0, 0)
    commit = git(flow.project, "rev-parse", "main")[:12]
    assert first.stdout.startswith(f"main is now {commit}")
    assert second.stdout.startswith(f"already promoted: main contains {commit}")
    assert json.loads(call(flow, "promote", "--json").stdout)["was_done"] is True


def test_unknown_run_suggests_similar_ids(tmp_path: Path) -> None:
    for number in range(8):
        run = tmp_path / "runs" / f"01ARZ{number}"
        run.mkdir(parents=True)
        (run / "manifest.json").write_text("{}")
    result = attractor("gate", "01ARZ3X", folder=tmp_path)
    assert result.returncode == 2
    assert "unknown run '01ARZ3X' (did you mean 01ARZ3?; 3 more: attractor runs)" in result.stderr
    far = attractor("gate", "far-away", folder=tmp_path)
    assert far.stderr.count("01ARZ") == 5


class RefusedAgent:
    """An agent whose edits are refused."""

    async def execute(self, stage: Stage) -> Outcome:
        for _ in range(2):
            error = "Tool error (write_file): cannot write made.txt: the files are read-only"
            stage.emit("TOOL_CALL_END", tool_name="write_file", call_id="1", error=error)
        return Outcome(StageStatus.SUCCESS)


def test_no_go_because_nothing_was_changed_says_so_first(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "pipeline.dot").write_text(AGENT)
    git(flow.project, "commit", "--quiet", "--all", "--message", "An agent")
    flow = flow.adjusted(parts=CustomParts(handlers={"codergen": RefusedAgent()}))
    result = flow.launch()
    unchanged = (
        "no files changed: write_file of implement was refused twice "
        "(cannot write made.txt: the files are read-only)"
    )
    first, second, *_ = as_text(result, read_outlook(result, flow.opened.project)).splitlines()
    assert (first, second) == (f"run {result.run_id}: success: completed", f"  no-go: {unchanged}")
    assert call(flow, "gate").stdout.startswith(f"no-go: {unchanged}\n")
    assert call(flow, "diagnose").stdout.splitlines()[1] == f"  1. {unchanged}"


def test_run_without_a_suite_is_not_judged(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(suite="")
    shown = [as_text(result, read_outlook(result, flow.opened.project))]
    for words in ("gate", "diagnose", "status", "runs", "logs", "decide"):
        shown.append(call(flow, *words.split()).stdout)
    assert all("not judged: no suite" in one and "no-go" not in one for one in shown)
    assert call(flow, "gate").returncode == NO_GO
    for words, is_listed in (("not judged: no suite", True), ("awaiting_human", False)):
        assert (result.run_id in call(flow, "runs", "--status", words).stdout) is is_listed
