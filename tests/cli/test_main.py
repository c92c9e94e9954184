"""The whole command line, as a real process."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from attractor import __version__
from attractor.base.errors import AttractorError, ExitCode, Refused, UsageError
from attractor.cli.invocation import PURPOSES, command_registry
from attractor.cli.main import Failure, describe_failure
from tests.cli.running import ATTRACTOR, attractor, copied_package
from tests.counts import count
from tests.needs import needs
from tests.patience import PATIENCE_S, wait_until
from tests.tables import table

SLEEPER = '''
"""Sleep until somebody interrupts."""
import time
import click
@click.command()
def sleeper() -> None:
    """Sleep."""
    click.echo("asleep")
    time.sleep(30)
part = sleeper
'''
BREAKER = '''
"""Break."""
import click
from attractor.cli.invocation import json_option
@click.command()
@json_option
def breaker(as_json: bool) -> None:
    """Break."""
    raise RuntimeError("no bridge")
part = breaker
'''
TALKER = '''
"""Talk on and on."""
import click
from attractor.base.errors import ExitCode
from attractor.cli.output.streams import show
@click.command()
def talker() -> ExitCode:
    """Talk."""
    for number in range(100_000):
        show(f"line {number}")
    return ExitCode.NO_GO
part = talker
'''


def test_version_and_help_are_printed(tmp_path: Path) -> None:
    result = attractor("--version")
    assert (result.returncode, result.stdout) == (0, f"attractor {__version__}\n")
    result = attractor(folder=tmp_path)
    assert result.returncode == 2
    assert "\nAll commands:\n" in result.stderr
    assert result.stdout == ""
    result = attractor("--json", "doctor")
    assert result.returncode == 2
    assert json.loads(result.stdout)["error"]["hint"] == "write it after the command"


@table("flag", ["-h", "--help"])
def test_help_lists_the_commands(flag: str) -> None:
    result = attractor(flag)
    assert result.returncode == 0
    assert "  doctor " in result.stdout
    assert result.stderr == ""


ONE_NODE = (
    "digraph one { start [shape=Mdiamond]; done [shape=Msquare]; start -> work -> done; work }"
)
SIMULATED = """
import sys
from attractor.cli.main import main
main(["run", "one.dot", "--backend", "simulate", "--sandbox", "none", "--workspace", "none"])
heavy = ("agent", "llm", "scenarios", "server", "growth", "language.comparison", "fleet")
names = (*(f"attractor.{one}" for one in heavy), "dbos", "obstore", "sqlalchemy")
print("loaded", sorted(one for one in sys.modules if one.startswith(names)))
"""


def test_simulated_run_loads_no_suites_agents_or_models(tmp_path: Path) -> None:
    (tmp_path / "one.dot").write_text(ONE_NODE)
    environ = {**os.environ, "HOME": str(tmp_path), "ATTRACTOR_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "success: completed" in done.stdout, done.stderr
    assert done.stdout.endswith("loaded []\n")


def test_help_imports_no_command_and_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from attractor.cli.main import main; main(['--help']);"
        "heavy = {'pydantic', 'asyncio', 'rich', 'litellm', 'httpx', 'attractor.fleet', 'dbos'};"
        "commands = {one for one in sys.modules if one.startswith('attractor.cli.commands.')};"
        "sys.stderr.write(' '.join(commands | heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")


@table(
    ("words", "line"),
    [
        (["--bogus"], "error: unknown option --bogus (see 'attractor --help')\n"),
        (["--debgu"], "error: unknown option --debgu (did you mean --debug?)\n"),
        (["docter"], "error: unknown command 'docter' (did you mean doctor?)\n"),
        (["doctor", "--jsn"], "error: unknown option --jsn (did you mean --json?)\n"),
        (
            ["runs", "now"],
            "error: got unexpected extra argument (now) (see 'attractor runs --help')\n",
        ),
        (
            ["completion", "tcsh"],
            "error: invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish' "
            "(see 'attractor completion --help')\n",
        ),
        *(
            (
                ["agent", "--max-cost-usd", number],
                f"error: invalid value for '--max-cost-usd': {problem} "
                "(see 'attractor agent --help')\n",
            )
            for number, problem in (
                ("nan", "nan is not a finite number"),
                ("inf", "inf is not a finite number"),
                ("-1", "-1.0 is not in the range x>=0"),
            )
        ),
    ],
)
def test_usage_error_is_one_line_with_a_suggestion(words: list[str], line: str) -> None:
    result = attractor(*words)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", line)


def test_invalid_project_file_is_one_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text('runs_dir = "x"\n[output\n')
    result = attractor("doctor", folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: attractor.toml:2")
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_error_is_printed_as_json_with_json_option(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text("[output\n")
    result = attractor("doctor", "--json", folder=tmp_path)
    record = json.loads(result.stdout)["error"]
    assert record["exit_code"] == result.returncode == 2
    assert record["kind"] == "BrokenFile"
    assert f"error: {record['message']}" in result.stderr


def test_a_traceback_is_shown_only_with_debug(tmp_path: Path) -> None:
    folder = copied_package(tmp_path, breaker=BREAKER)
    plain = attractor("breaker", "--json", copy=folder)
    assert plain.returncode == 1
    assert "internal error: RuntimeError: no bridge" in plain.stderr
    assert "--debug" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert json.loads(plain.stdout)["error"]["kind"] == "Defect"
    for words in (["--debug", "breaker"], ["breaker", "--debug"]):
        assert "Traceback" in attractor(*words, copy=folder).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_an_interrupt_ends_with_130(tmp_path: Path, number: signal.Signals) -> None:
    folder = copied_package(tmp_path, sleeper=SLEEPER)
    process = subprocess.Popen(
        [sys.executable, "-m", "attractor", "sleeper"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, "error: interrupted\n")


def test_interrupt_during_the_imports_ends_with_130(tmp_path: Path) -> None:
    # The command line imports this module first.
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ended = subprocess.run(
        [sys.executable, "-m", "attractor", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "error: interrupted\n")


def test_command_line_that_was_removed_in_part_says_install_again(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import click_core\n")
    ended = subprocess.run(
        [sys.executable, "-m", "attractor", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    missing = "error: the installation is incomplete: No module named 'click_core'"
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{missing} (install Attractor again")


def test_closed_pipe_keeps_the_exit_status(tmp_path: Path) -> None:
    folder = copied_package(tmp_path, talker=TALKER)
    program = shlex.quote(sys.executable)
    script = f"{program} -m attractor talker | head -1; echo ended with ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("line 0\nended with 5\n", "")


def test_help_into_a_closed_pipe_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [ATTRACTOR, "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=False,
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")


def test_completion_and_module_know_the_program() -> None:
    variables = {
        "_ATTRACTOR_COMPLETE": "bash_complete",
        "COMP_WORDS": "attractor doc",
        "COMP_CWORD": "1",
    }
    assert attractor(variables=variables).stdout == "plain,doctor\n"
    result = subprocess.run(
        [sys.executable, "-m", "attractor", "--version"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert result.stdout == f"attractor {__version__}\n"
    done = subprocess.run([sys.executable, "-c", AT_ITS_END], capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[2:] == ["frozen True"]


AT_ITS_END = """
import atexit, gc
from attractor.cli.main import main
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 1000))
main(["--version"])
main(["--version"])
"""


@table("unbuffered", ["", "1"])
@table("words", [["--help"], ["doctor", "--json"], ["doctr", "--json"]])
def test_full_disk_behind_stdout_is_reported_once(words: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [ATTRACTOR, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": unbuffered},
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert result.returncode == (2 if words[0] == "doctr" else 3)
    assert result.stderr.startswith("error: ")
    assert ("cannot write to standard output: No space" in result.stderr) == (words[0] == "doctor")
    assert len(result.stderr.splitlines()) == 1


def test_closed_streams_keep_the_exit_status() -> None:
    for script, code in [
        ("--version >&-", 0),
        ("--help >&-", 0),
        ("doctr 2>&-", 2),
        ("doctr 2>/dev/full", 2),
        ("doctr >&- 2>&- <&-", 2),
    ]:
        result = subprocess.run(
            ["bash", "-c", f"'{ATTRACTOR}' {script}"],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (script, result.returncode) == (script, code)
        assert b"Traceback" not in result.stderr


@pytest.mark.crash
@needs("pgrep")
def test_sigterm_leaves_no_process_and_no_traceback(tmp_path: Path) -> None:
    slow, begun = tmp_path / "bin", tmp_path / "begun"
    slow.mkdir()
    for name in ("git", "dot", "codex"):
        (slow / name).write_text(f"#!/bin/sh\n: >> {begun}\nexec sleep 60.125\n")
        (slow / name).chmod(0o755)
    environ = {"PATH": f"{slow}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    for number in range(count(ci=1, full=60)):
        process = subprocess.Popen(
            [ATTRACTOR, "doctor"], env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        wait_until(begun.exists)
        time.sleep(number % 10 * 0.03)
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_S)
        begun.unlink()
        assert (process.returncode, errors) == (130, b"error: interrupted\n")
    assert subprocess.run(["pgrep", "-f", "sleep 60[.]125"], check=False).returncode == 1


def test_json_is_valid_in_a_folder_that_is_not_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    result = subprocess.run(
        [ATTRACTOR, "doctor", "--json"],
        cwd=folder,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert json.loads(result.stdout.decode("utf-8"))["findings"]


def interrupted_class() -> BaseException:
    """Return the exception for an interrupt in `__set_name__`, which Python 3.11 wraps."""

    class Slow:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    try:
        type("Owner", (), {"attribute": Slow()})
    except (RuntimeError, KeyboardInterrupt) as error:
        return error
    raise AssertionError


@table(
    ("error", "code", "line"),
    [
        (AttractorError("it fell", hint="pick it up"), 1, "error: it fell (pick it up)"),
        (
            UsageError("no key", hint="set A_KEY or B_KEY\nor start a twin"),
            2,
            "error: no key\n  set A_KEY or B_KEY\n  or start a twin",
        ),
        (Refused(), 4, "error: The action is refused in the current state"),
        (click.UsageError("Bad\nwords."), 2, "error: bad words (see 'attractor --help')"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.Abort(), 130, "error: interrupted"),
        (interrupted_class(), 130, "error: interrupted"),
    ],
)
def test_error_is_one_line_with_an_exit_status(error: BaseException, code: int, line: str) -> None:
    failure = describe_failure(error)
    assert (failure.exit_code, failure.line()) == (code, line)


def test_errors_have_an_exit_status_and_json() -> None:
    assert describe_failure(OSError(28, "No space left")).exit_code is ExitCode.UNFINISHED
    assert describe_failure(ZeroDivisionError("by 0")).exit_code is ExitCode.FAILED
    assert "report" in describe_failure(ZeroDivisionError("by 0")).hint
    failure = describe_failure(OSError(36, "File name too long", "x" * 5000))
    assert failure.exit_code is ExitCode.USAGE
    assert failure.line().startswith("error: file name too long: xxx")
    assert failure.line().endswith("… (choose a shorter name)")
    assert len(failure.line()) < 200
    error = AttractorError("it fell")
    error.details = {"directory": "/there"}
    fields = {"kind": "AttractorError", "message": "it fell", "hint": "", "exit_code": 1}
    assert describe_failure(error).record() == {"error": {**fields, "directory": "/there"}}
    assert AttractorError("another").details == {}
    failure = Failure("Refused", "no", "ask", ExitCode.REFUSED)
    fields = {"kind": "Refused", "message": "no", "hint": "ask", "exit_code": 4}
    assert failure.record() == {"error": fields}


def test_help_of_a_command_and_of_a_group_is_printed() -> None:
    assert attractor("help").stdout == attractor("--help").stdout
    for words in (["runs"], ["suite"], ["suite", "register"]):
        assert attractor("help", *words).stdout == attractor(*words, "--help").stdout
    unknown = attractor("help", "nothing-like-it")
    assert unknown.returncode == 2
    # An error lists at most five known names.
    assert "known: actor, agent, agents, amend, answer and " in unknown.stderr


def test_command_has_one_purpose_at_most() -> None:
    listed = [name for words in PURPOSES.values() for name in words.split()]
    top = {name.split(".")[0] for name in command_registry()}
    assert len(set(listed)) == len(listed)
    assert set(listed) <= top
