"""A command runs in a process of its own: it gets a slot, a log and no secret of the server."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, UnknownName
from attractor.server.errors import CommandFailed, TooManyProcesses
from attractor.server.processes.run_processes import LOG_DAYS, RunCommand, RunProcesses
from tests.cli.git_desk import is_there
from tests.patience import wait_until

STARTED = """echo '{"run_id": "01AB"}'"""
COMMAND = RunCommand("run", ["-"])


@pytest.fixture
def processes(tmp_path: Path) -> RunProcesses:
    variables = {"PATH": os.environ["PATH"], "ATTRACTOR_TOKEN": "abc", "KEY": "key"}
    return RunProcesses(tmp_path / "state", project=tmp_path, environ=variables, most=1)


def doing(processes: RunProcesses, script: str) -> RunProcesses:
    """Replace the started program by a shell script."""
    return replace(processes, program=("sh", "-c", script, "sh"))


def test_process_gets_its_files_and_the_name_of_the_caller(
    processes: RunProcesses, tmp_path: Path
) -> None:
    script = (
        'for word in "$@"; do case $word in --inputs=*) cat ${word#--inputs=} > inputs;; esac; '
        f'done; echo "$@" > words; cat > source; env > variables; {STARTED}'
    )
    command = replace(
        COMMAND, options=["--model=m"], files={"--inputs=": '{"key": "hidden"}'}, stdin="digraph {}"
    )
    assert doing(processes, script).start(command, by="ann") == "01AB"
    assert (tmp_path / "inputs").read_text() == '{"key": "hidden"}'
    assert (tmp_path / "source").read_text() == "digraph {}"
    words = (tmp_path / "words").read_text()
    assert words.startswith("run --json --model=m --inputs=/dev/fd/")
    assert words.endswith(" -- -\n")
    variables = (tmp_path / "variables").read_text().splitlines()
    assert {"KEY=key", "ATTRACTOR_OPERATOR=ann"} <= set(variables)
    assert not [one for one in variables if one.startswith("ATTRACTOR_TOKEN")]


def test_process_continues_in_its_own_session_and_is_reaped(
    processes: RunProcesses, tmp_path: Path
) -> None:
    # More output than the buffer of a pipe: no process reads it after the first line.
    rest = "until [ -e go ]; do sleep 0.02; done; seq 100000; echo end >&2; touch done"
    one = doing(processes, f"trap '' PIPE; echo $$ > pid; {STARTED}; {rest}")
    one.start(COMMAND, by="ann")
    pid = (tmp_path / "pid").read_text().strip()
    assert os.getsid(int(pid)) == int(pid)
    (tmp_path / "go").touch()
    wait_until(lambda: (tmp_path / "done").exists())
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    [log] = processes.folder.glob("01AB-*.log")
    assert "end" in log.read_text().splitlines()
    assert log.stat().st_mode & 0o077 == 0


def test_limit_counts_the_processes_of_an_earlier_server(
    processes: RunProcesses, tmp_path: Path
) -> None:
    waits = f"echo $$ > pid; {STARTED}; until [ -e go ]; do sleep 0.02; done"
    doing(processes, waits).start(COMMAND, by="ann")
    later = doing(processes, STARTED)
    with pytest.raises(TooManyProcesses):
        later.start(COMMAND, by="ann")
    (tmp_path / "go").touch()
    wait_until(lambda: not is_there((tmp_path / "pid").read_text().strip()))
    assert later.start(COMMAND, by="ann") == "01AB"


@pytest.mark.parametrize(
    ("printed", "kind", "details"),
    [
        ('"kind": "UnknownName", "exit_code": 2, "run_id": "01AB"', UnknownName, "01AB"),
        ('"kind": "LaterVersion", "exit_code": 2', AttractorError, None),
        ('"kind": "Defect", "exit_code": 1', CommandFailed, None),
    ],
)
def test_error_of_a_process_is_raised(
    processes: RunProcesses, printed: str, kind: type[AttractorError], details: str | None
) -> None:
    error = f'{{"error": {{"message": "no such suite", "hint": "a remedy", {printed}}}}}'
    with pytest.raises(kind, match="no such suite") as raised:
        doing(processes, f"echo '{error}'; exit 2").start(COMMAND, by="ann")
    assert raised.value.hint == "a remedy"
    assert raised.value.details.get("run_id") == details
    assert not [*processes.folder.glob("*.log")]


@pytest.mark.parametrize("script", ["echo crashed >&2; exit 9", "echo crashed >&2; echo words"])
def test_process_that_ends_without_a_result_names_its_log(
    processes: RunProcesses, script: str
) -> None:
    with pytest.raises(CommandFailed) as raised:
        doing(processes, script).start(COMMAND, by="ann")
    [log] = processes.folder.glob("*.log")
    assert str(log) in raised.value.hint
    assert log.read_text() == "crashed\n"


def test_old_logs_are_removed(processes: RunProcesses) -> None:
    doing(processes, STARTED).start(COMMAND, by="ann")
    [log] = processes.folder.glob("*.log")
    made = log.stat().st_mtime
    processes.remove_old_logs(made + 60)
    assert log.exists()
    processes.remove_old_logs(made + (LOG_DAYS + 1) * 86_400)
    assert not log.exists()
