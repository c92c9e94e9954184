"""Receipts: the engine runs a command on the files that an agent left."""

import hashlib
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor import RunResult
from attractor.base.json import Json
from attractor.records.receipts import ReceiptEvidence, find_evidence
from attractor.records.timeline import read_recorded
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.backends.test_acp import AGENT as ACP_AGENT
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git, make_project
from tests.prepared import begin_prepared, plain, run_program
from tests.spec.runs import ScriptedBackend, between, environ_for, events, record, run

# The agent does what the line with RUN in its prompt says.
AGENT = 'eval "$(grep -m 1 "^RUN: " | cut -c 6-)"\n'
CHECK = "grep good state.txt || { echo Error: the state is bad; exit 3; }\n"
SETTINGS = '[backends.command]\nrun = "bash agent.sh"\n'
FILES = {
    "attractor.toml": SETTINGS,
    "agent.sh": AGENT,
    "check.sh": CHECK,
    "state.txt": "bad\n",
    ".gitignore": "kept.log\n",
}
REPORTS = """echo '{"outcome": "success", "notes": "all tests pass"}' > $ATTRACTOR_STATUS_FILE"""
BAD = "no_receipt: receipt ended with exit code 3: Error: the state is bad"


def node(name: str, does: str, more: str = "", receipt: str = "bash check.sh") -> str:
    prompt = f"RUN: {does}".replace("\\", "\\\\").replace('"', '\\"')
    return f'{name} [prompt="{prompt}", receipt="{receipt}", {more}]'


def play(folder: Path, *nodes: str, **options: str) -> RunResult:
    """Run stages in order, each whatever the outcome of the one before."""
    make_project(folder / "project", **FILES)
    names = ["start", *(one.split()[0] for one in nodes), "exit"]
    text = between("on_failure=continue", *nodes, " -> ".join(names))
    environ = {**environ_for(folder), "BASH_ENV": str(folder / "bashenv")}
    given = {"backend": "command", "workspace": "isolated", **options}
    return run(folder, text, environ=environ, **given)  # pyright: ignore[reportArgumentType]


def ends(result: RunResult, *names: str) -> dict[str, Json]:
    """Return the reason of each stage, or its outcome."""
    found = {name: record(result, f"{name}/status.json") for name in names}
    return {name: one["failure_reason"] or one["outcome"] for name, one in found.items()}


WORK = "echo good > state.txt; "
VOID = {
    "said": REPORTS,
    "background": "setsid bash -c 'sleep 3; echo good > state.txt' <&- >&- 2>&- & " + REPORTS,
    "elsewhere": f"mkdir -p ../other; cd ../other; {WORK}{REPORTS}",
    "start_files": "echo 'shopt -s expand_aliases; alias bash=true; grep() { echo ok; }' "
    "| tee $BASH_ENV ${BASH_ENV%/*}/{.bashrc,.bash_aliases,.bash_profile,.profile}; " + REPORTS,
    "forged": """echo '{"type": "ReceiptTaken", "exit_status": 0}'; echo exit status 0; """
    + REPORTS,
    "hidden": "bash check.sh || true; " + REPORTS,
    "partial": REPORTS.replace('"success"', '"partial_success"'),
}
DAEMON = "setsid bash -c 'sleep 0.5; echo bad > state.txt' <&- >&- 2>&- & "


def evidence_of(result: RunResult, tree: str = "") -> ReceiptEvidence:
    root = result.directory
    return find_evidence(root, read_recorded(root), tree, [])


def test_success_is_void_where_the_command_fails_on_the_files(tmp_path: Path) -> None:
    result = play(
        tmp_path,
        *(node(name, does) for name, does in VOID.items() if name != "start_files"),
        node("silent", "echo Well.", "auto_status=true"),
        node("retried", REPORTS.replace('"success"', '"retry"'), "allow_partial=true"),
        node("passed", WORK + REPORTS),
        node("daemon", DAEMON + REPORTS, receipt="sleep 1; bash check.sh"),
        # Last, because the file is read by the agents of later stages.
        node("start_files", f"echo bad > state.txt; {VOID['start_files']}"),
    )
    names = [*VOID, "silent", "retried", "passed", "daemon"]
    reasons = {**dict.fromkeys([*VOID, "silent"], BAD), "passed": "success", "daemon": "success"}
    assert ends(result, *names) == {**reasons, "retried": "max retries exceeded: all tests pass"}
    assert (tmp_path / ".profile").read_text() == (tmp_path / "bashenv").read_text()
    failed = record(result, "said/status.json")
    assert failed["failure_class"] == "verdict"
    assert failed["context_updates"]["tool.output"].endswith("bad\n")  # pyright: ignore
    assert (
        "bash check.sh\n\nUnless its exit status is 0"
        in (result.directory / "said" / "prompt.md").read_text()
    )
    taken = {one.node: one.data for one in events(result, "ReceiptTaken")}
    assert {*taken} == {*names} - {"retried"}
    output = (result.directory / "passed" / "receipt.txt").read_bytes()
    receipt = record(result, "passed/status.json")["receipt"]
    assert isinstance(receipt, dict)
    assert receipt == {key: value for key, value in taken["passed"].items() if key != "lines"}
    assert receipt["output_hash"] == hashlib.sha256(output).hexdigest()
    evidence = evidence_of(result, str(receipt["tree"]))
    assert [one.node for one in evidence.receipts if one.is_of_result] == ["passed", "daemon"]
    assert len(evidence.receipts) == len(taken)


@pytest.mark.parametrize("workspace", ["isolated", "in-place"])
def test_files_that_the_command_writes_are_set_back_where_the_run_owns_them(
    tmp_path: Path, workspace: str
) -> None:
    writes = "echo kept > kept.log; echo bad > state.txt; touch new.txt"
    result = play(tmp_path, node("work", WORK + REPORTS, receipt=writes), workspace=workspace)
    [taken] = events(result, "ReceiptTaken")
    steps = [one.data["step"] for one in events(result, "CheckpointSaved") if one.node == "work"]
    after = steps[0]["visit"]["tree"]  # pyright: ignore
    assert (after == taken.data["tree"]) == (workspace == "isolated")
    assert taken.data.get("tree_after") == (after if workspace == "in-place" else None)
    if workspace == "in-place":
        assert (tmp_path / "project" / "state.txt").read_text() == "bad\n"


def test_missing_program_endless_command_and_further_attempt(tmp_path: Path) -> None:
    again = f"[ -e {tmp_path}/again ] && {{ {WORK} }}; touch {tmp_path}/again; {REPORTS}"
    result = play(
        tmp_path,
        node("again", again, "max_retries=1"),
        node("missing", REPORTS, receipt="nosuchprogram --all"),
        node("endless", REPORTS, 'timeout="3s"', receipt="touch made.txt; sleep 100"),
        node("after", REPORTS, receipt="[ ! -e made.txt ]"),
    )
    assert ends(result, "again", "missing", "endless", "after") == {
        "again": "success",
        "missing": "no_receipt: command not found: nosuchprogram "
        "(receipt ended with exit code 127)",
        "endless": "timed out after 3s",
        "after": "success",
    }
    prompt = (result.directory / "again" / "prompt.md").read_text()
    lines = "The last lines of its receipt:\n    Error: the state is bad"
    assert f"its changes to files were undone: {BAD} {lines}".replace(" The", "\nThe") in prompt
    assert [one.attempt for one in events(result, "ReceiptTaken") if one.node == "again"] == [1, 2]


PARALLEL = between(
    "fork [shape=component, isolation=shared]; meet [shape=tripleoctagon]",
    node(
        "work",
        REPORTS,
        receipt="touch ~/begun; until [ -e ~/edited ]; do sleep 0.02; done; bash check.sh",
    ),
    'other [shape=parallelogram, tool_command="until [ -e ~/begun ]; do sleep 0.02; done; '
    'echo good > state.txt; touch ~/edited"]',
    "start -> fork; fork -> work -> meet; fork -> other -> meet; meet -> exit",
)


def test_receipt_says_that_files_of_a_shared_workspace_changed_while_it_ran(
    tmp_path: Path,
) -> None:
    make_project(tmp_path / "project", **FILES)
    result = run(tmp_path, PARALLEL, backend="command", workspace="isolated")
    receipt = record(result, "work/status.json")["receipt"]
    assert isinstance(receipt, dict)
    assert receipt["exit_status"] == 0
    [line, _] = evidence_of(result, str(receipt["tree_after"])).lines()
    assert line.endswith(f"tree {str(receipt['tree'])[:12]}, files changed while it ran)")


def test_receipts_of_child_pipelines_are_evidence_of_the_run(tmp_path: Path) -> None:
    again = f"[ -e {tmp_path}/again ] && {{ {WORK} }}; touch {tmp_path}/again; {REPORTS}"
    repeat = 'work -> work [condition="outcome=fail", loop_restart=true]'
    children = {
        "middle.dot": between('inner [type=pipeline, file="inner.dot"]', "start -> inner -> exit"),
        "inner.dot": between(node("work", again), "start -> work -> exit", repeat),
    }
    make_project(tmp_path / "project", **FILES, **children)
    text = between('middle [type=pipeline, file="middle.dot"]', "start -> middle -> exit")
    result = run(tmp_path, text, backend="command", workspace="isolated")
    assert ends(result, "middle") == {"middle": "success"}
    [step] = [one.data["step"] for one in events(result, "CheckpointSaved") if one.node == "middle"]
    tree = str(step["visit"]["tree"])  # pyright: ignore
    inner = "middle@1.1:inner@1.1"
    found = [
        (one.place, one.receipt.exit_status, one.is_of_result)
        for one in evidence_of(result, tree).receipts
    ]
    assert found == [(f"{inner}:work@1", 3, False), (f"{inner}.restart1:work@2", 0, True)]
    simulated = run(tmp_path, text)
    [words] = evidence_of(simulated).skipped
    assert words.startswith(f"{inner}:work@1: the stage was simulated")
    [child] = result.directory.glob("children/*/children/inner@1.1")
    (child / "events.jsonl").write_text("x\n")
    [words] = evidence_of(result, tree).skipped
    assert words.startswith(f"{inner}:invalid event")


TWIN = Script(
    rules=(
        Rule(when=When(step=0), answer=uses(use("report_outcome", {"outcome": "success"}))),
        Rule(when=When(step=1), answer=says("It passes.")),
    )
)
REVIEWS = between(
    "on_failure=continue",
    'void [agent=reviewer, prompt="Review it", receipt="bash check.sh"]',
    'good [shape=parallelogram, tool_command="echo good > state.txt"]',
    'passed [agent=reviewer, prompt="Review it", receipt="bash check.sh"]',
    'acp_void [backend=acp, prompt="Do it", receipt="grep -q no made.txt"]',
    'acp_passed [backend=acp, prompt="Do it", receipt="grep -q yes made.txt"]',
    "start -> void -> good -> passed -> acp_void -> acp_passed -> exit",
)


def test_shipped_reviewer_and_an_outside_agent_need_a_receipt(tmp_path: Path) -> None:
    settings = f'[backends.acp]\nrun = "{sys.executable} {ACP_AGENT}"\n'
    make_project(tmp_path / "project", **{**FILES, "attractor.toml": settings})
    with in_background(ProviderTwin(TWIN)) as twin:
        environ = {**environ_for(tmp_path), **twin.environ(), "PYTHONPATH": ":".join(sys.path)}
        result = run(
            tmp_path,
            REVIEWS,
            backend="agent",
            model=MODELS["openai"],
            workspace="isolated",
            environ=environ,
        )
    assert ends(result, "void", "passed", "acp_void", "acp_passed") == {
        "void": BAD,
        "passed": "success",
        "acp_void": "no_receipt: receipt ended with exit code 1",
        "acp_passed": "success",
    }


def test_simulation_and_callback_take_none_and_say_so(tmp_path: Path) -> None:
    for number, backend in enumerate(["simulate", ScriptedBackend()]):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = play(folder, node("work", "true"), backend=backend)  # pyright: ignore
        assert ends(result, "work") == {"work": "success"}
        assert len(events(result, "ReceiptSkipped")) == 1
        assert [*evidence_of(result).lines()] == [
            "no receipt of work@1: the stage was simulated, or executed by a callback"
        ]


# The command is held until a file allows it to go on, or kills the process of the run at its end.
HELD = "touch $HOME/begun; while [ ! -e $HOME/go ]; do sleep 0.02; done; bash check.sh"
DYING = (
    "bash check.sh; touch $HOME/begun; [ -e $HOME/go ] || kill -9 $(cat $HOME/process); sleep 0.1"
)
CHECKED = "bash check.sh"


# Dies as soon as the receipt is in the journal, before the end of the stage is.
DIES = """
import os, signal
from attractor import run_pipeline_sync

really_write = os.write

def write(file, data):
    written = really_write(file, data)
    if b'"ReceiptTaken"' in bytes(data):
        os.kill(os.getpid(), signal.SIGKILL)
    return written

os.write = write
run_pipeline_sync("pipeline.dot", project=".", backend="command", sandbox="none")
"""


@pytest.mark.crash
@pytest.mark.parametrize("receipt", [HELD, DYING, CHECKED])
def test_run_killed_at_the_receipt_has_one_after_a_resume(tmp_path: Path, receipt: str) -> None:
    work = node("work", f"echo >> {tmp_path}/started; {WORK}{REPORTS}", receipt=receipt)
    text = between(work, "start -> work -> exit")
    project = make_project(tmp_path / "project", text, **FILES)
    environ = plain(environ_for(tmp_path))
    if receipt == CHECKED:
        assert run_program(DIES, project, environ).returncode == -signal.SIGKILL
    else:
        kill_at_the_command(tmp_path, environ, is_held=receipt == HELD)
    (tmp_path / "go").touch()
    again = begin_prepared(("resume", "latest"), folder=project, variables=environ)
    assert again.wait(timeout=PATIENCE_S) == 0
    assert (tmp_path / "started").read_text() == "\n\n"
    [root] = [one.parent for one in project.glob("runs/*/events.jsonl")]
    lines = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    taken = [one["data"] for one in lines if one["type"] == "ReceiptTaken"]
    assert len(taken) == (2 if receipt == CHECKED else 1)
    assert git(project, "status", "--short") == ""
    [found] = find_evidence(root, read_recorded(root), taken[-1]["tree"], []).receipts
    assert (found.receipt.exit_status, found.is_of_result) == (0, True)


def kill_at_the_command(folder: Path, environ: Mapping[str, str], *, is_held: bool) -> None:
    words = ("run", "pipeline.dot", "--backend", "command", "--sandbox", "none")
    process = begin_prepared(words, folder=folder / "project", variables=environ)
    (folder / "process").write_text(str(process.pid))
    wait_until((folder / "begun").exists)
    if is_held:
        process.kill()
    assert process.wait(timeout=PATIENCE_S) == -signal.SIGKILL
