"""`attractor agent`: one session in the project folder, continued, steered and limited."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.backends import acp_agent
from tests.base.running import command_lines
from tests.cli.plain_desk import PlainDesk
from tests.cli.test_budgets import TwinDesk
from tests.needs import needs_bubblewrap
from tests.patience import PATIENCE_S, wait_until
from tests.tables import table

PATCH = (
    "*** Begin Patch\n*** Update File: calc.py\n@@\n"
    "-    return a - b\n+    return a + b\n*** End Patch"
)
EDIT = use("edit_file", {"file_path": "calc.py", "old_string": "a - b", "new_string": "a + b"})
EDITS = {
    "openai": use("apply_patch", {"patch": PATCH}),
    "anthropic": EDIT,
    "openai_compatible": EDIT,
}
CHECK = use("shell", {"command": "python3 -c 'import calc; assert calc.add(1, 2) == 3'"})


def steps(prompt: str, *answers: Answer) -> list[Rule]:
    return [
        Rule(when=When(last_user=prompt, step=step), answer=answer)
        for step, answer in enumerate(answers)
    ]


class ProjectDesk(TwinDesk):
    """A desk whose project does not contain the state folder."""

    @property
    def place(self) -> Path:
        return self.folder / "project"


def desk_with(folder: Path) -> ProjectDesk:
    desk = ProjectDesk(folder)
    desk.place.mkdir()
    (desk.place / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    return desk


@pytest.mark.parametrize("wire", EDITS)
def test_agent_fixes_the_project_and_reports_its_changes(tmp_path: Path, wire: str) -> None:
    desk = desk_with(tmp_path)
    read = use("read_file", {"file_path": "calc.py"})
    rules = steps("fix", uses(read), uses(EDITS[wire]), uses(CHECK), says("Fixed add."))
    rules += [Rule(when=When(last_user="what", words="Fixed add"), answer=says("I fixed add."))]
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        model = ("--model", MODELS[wire], "--provider", wire)
        done = desk.do("agent", "fix the sum", *model)
        more = desk.do("agent", "--continue", "what was it?", *model, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Fixed add.\n")
    assert "calc.py  +1 -1" in done.stdout
    assert "return a + b" in (desk.place / "calc.py").read_text()
    assert "-    return a - b\n" in done.stderr or "-a - b\n" in done.stderr
    # The price of a model of a local server is unknown.
    assert ("\nused: $0." in done.stderr) == (wire != "openai_compatible")
    transcript = Path(done.stderr.split("transcript: ")[1].split("\n")[0])
    assert transcript.is_file()
    assert more.returncode == 0, more.stderr
    assert json.loads(more.stdout.splitlines()[-1])["answer"] == "I fixed add."


def test_session_ignores_the_suite_of_the_project(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    (desk.place / "attractor.toml").write_text('[factory]\nsuite = "todo"\n')
    with in_background(ProviderTwin(Script(rules=(*steps("x", says("Done.")),)))) as desk.twin:
        done = desk.do("agent", "x", "--model", MODELS["openai"])
    assert done.stdout.startswith("Done.\n"), done.stderr
    assert "no suite" not in done.stderr


def test_agent_needs_a_session_to_continue(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with in_background(ProviderTwin(Script(rules=()))) as desk.twin:
        done = desk.do("agent", "--continue", "x", "--model", MODELS["openai"])
    assert done.returncode == 2
    assert "no session to continue (start one with: attractor agent TASK)" in done.stderr


def test_agent_without_a_provider_names_the_variables_to_set(tmp_path: Path) -> None:
    done = PlainDesk(tmp_path).do("agent", "fix it")
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr


def test_transcript_of_a_stage_is_shown(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    rules = steps("fix", uses(EDITS["openai"]), uses(CHECK), says("Fixed\nadd."))
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        desk.do("agent", "fix it", "--model", MODELS["openai"])
    shown = desk.do("logs", "--stage", "work").stdout
    lines = [line[10:] for line in shown.splitlines()]
    assert lines == [
        "input: fix it",
        "apply_patch: calc.py",
        "*** Update File: calc.py",
        "@@",
        "-    return a - b",
        "+    return a + b",
        "shell: $ python3 -c 'import calc; assert calc.add(1, 2) == 3'",
        lines[7],
        "Fixed",
        "add.",
    ]
    assert lines[7].startswith("[exit code 0, ")
    records = desk.do("logs", "--stage", "work", "--json").stdout.splitlines()
    assert json.loads(records[0])["kind"] == "SESSION_START"
    unknown = desk.do("logs", "--stage", "wrok")
    assert unknown.returncode == 2
    assert "did you mean work" in unknown.stderr


MARK = "never-ending-command-of-this-test"
COMMAND = f": {MARK}; touch begun; while [ ! -e go ]; do sleep 0.05; done"
WAITING = use("shell", {"command": COMMAND, "timeout_ms": 60_000})


def is_command_running() -> bool:
    """Return whether a process of the waiting command runs."""
    return any(MARK in " ".join(words) for words in command_lines().values())


def test_steering_reaches_the_agent_from_another_terminal(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    rules = steps("fix", uses(WAITING))
    rules += [Rule(when=When(last_user="leave the tests alone"), answer=says("I leave them."))]
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        working = desk.begin("agent", "fix it", "--model", MODELS["openai"], stdout=PIPE)
        try:
            wait_until((desk.place / "begun").exists)
            steered = desk.do("steer", "latest", "leave the tests alone")
            assert steered.returncode == 0, steered.stderr
            (desk.place / "go").touch()
            assert working.wait(PATIENCE_S) == 0
            assert working.stdout
            assert working.stdout.read().startswith("I leave them.")
        finally:
            desk.end()


def test_interrupted_agent_leaves_no_process_and_resumes(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    rules = [Rule(when=When(first_user="fix", step=0, attempt=1), answer=uses(WAITING))]
    rules += [Rule(when=When(first_user="fix"), answer=says("Done."))]
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        working = desk.begin("agent", "fix it", "--model", MODELS["openai"])
        try:
            wait_until((desk.place / "begun").exists)
            assert is_command_running()
            working.send_signal(signal.SIGINT)
            assert working.wait(PATIENCE_S) == 130
        finally:
            desk.end()
        assert not is_command_running()
        resumed = desk.do("resume", "latest")
    assert resumed.returncode == 0, resumed.stderr


ATTACKS = [
    "ls runs/* 2>&1 && echo SEEN",
    "echo x > runs/mine && echo DONE",
    "rm -rf runs; ls -d runs",
    "git config core.fsmonitor /tmp/x && echo DONE",
    "echo x > .git/hooks/pre-commit && echo DONE",
    "mv .git other && echo DONE",
    "mv .git/hooks .git/old && echo DONE",
]


@needs_bubblewrap
def test_agent_in_the_project_reaches_neither_records_nor_git_hooks(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=desk.place, check=True)
    config = (desk.place / ".git" / "config").read_bytes()
    tries = [uses(use("shell", {"command": one})) for one in ATTACKS]
    tries += [uses(use("write_file", {"file_path": "runs/mine", "content": "x"}))]
    tries += [uses(use("read_file", {"file_path": ".git/config"}))]
    commits = f"{' '.join(git)} commit -qam two && echo COMMITTED"
    edit = EDITS["openai"]
    rules = steps("fix", *tries, uses(edit), uses(use("shell", {"command": commits})), says("ok"))
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        first = desk.do("agent", "fix it", "--model", MODELS["openai"], "--json")
    assert first.returncode == 0, first.stderr
    output = [json.loads(line) for line in first.stdout.splitlines()[:-1]]
    ends = [one["data"] for one in output if one["type"] == "TOOL_CALL_END"]
    outputs = [str(one.get("output", "")) for one in ends[: len(ATTACKS)]]
    assert not any("SEEN" in one or "DONE" in one for one in outputs)
    assert all("is hidden" in one["error"] for one in ends[len(ATTACKS) : len(ATTACKS) + 2])
    assert "COMMITTED" in ends[-1]["output"]
    # Attractor itself keeps the id of the project there.
    kept = (desk.place / "runs" / ".project").read_bytes()
    added = b"[attractor]\n\tproject = " + kept
    assert (desk.place / ".git" / "config").read_bytes() == config + added
    (run,) = (desk.place / "runs").glob("*/manifest.json")
    assert run.is_file()


@table("words", [("",), ("  ",), ("-",)])
def test_empty_task_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = PlainDesk(tmp_path).do("agent", *words, "--model", MODELS["openai"])
    assert done.returncode == 2
    assert "the task is empty" in done.stderr


def test_session_that_a_budget_stopped_is_continued(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    look = [uses(use("glob", {"pattern": str(n)})) for n in range(9)]
    rules = steps("remember pink", *look)
    rules += [Rule(when=When(last_user="which", words="pink"), answer=says("Pink."))]
    model = ("--model", MODELS["openai"])
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        stopped = desk.do("agent", "remember pink", "--max-tokens", "6000", *model)
        more = desk.do("agent", "--continue", "which colour?", *model)
    assert stopped.returncode == 3, stopped.stderr
    assert "resume: attractor resume " in stopped.stderr
    assert " --max-tokens " in stopped.stderr.split("resume: ")[1]
    assert more.stdout.startswith("Pink."), more.stderr


@table(
    ("program", "loads"),
    [
        (f"acp {sys.executable} {acp_agent.__file__}", True),
        ("command tee -a asked.txt; echo --- >> asked.txt", False),
    ],
    ids=["acp", "command"],
)
def test_continue_loads_the_session_of_a_program_or_retells_it(
    tmp_path: Path, program: str, loads: bool
) -> None:
    desk = desk_with(tmp_path)
    backend, run = program.split(" ", 1)
    desk.write(f"[backends.{backend}]\nrun = '{run}'\n", "attractor.toml")
    with in_background(ProviderTwin(Script(rules=()))) as desk.twin:
        words = ("--backend", backend, "--sandbox", "none")
        first = desk.do("agent", "Buy a pear", *words)
        # The backend is that of the session.
        more = desk.do("agent", "--continue", "Is it done?", *words[2:], "--json")
    assert (first.returncode, more.returncode) == (0, 0), first.stderr + more.stderr
    text = (desk.place / "asked.txt").read_text().split("---\n")[1]
    assert text.startswith("Is it done?")
    assert ("Buy a pear" in text) != loads
    assert ("ThreadContinued" in more.stdout) == loads
