from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.missing_program import missing_command, missing_in_a_shell
from tests.environments.places import run
from tests.tables import table


def ended(code: int, err: str) -> ExecResult:
    return ExecResult("", err, code, False, 1)


@table(
    ("said", "message"),
    [
        ("bash: line 1: pytest: command not found\n", "command not found: pytest"),
        ("sh: 1: jest: not found\n", "command not found: jest"),
        ("/bin/sh: 1: tsc: not found\r\n".replace("\r", ""), "command not found: tsc"),
        ("bash: ./run: No such file or directory\n", "command not found: ./run"),
        ("env: ‘ruby’: No such file or directory\n", "command not found: ‘ruby’"),
        ("bash: ./x.py: cannot execute: required file not found\n", "command not found: ./x.py"),
        ("one: command not found\ntwo: command not found\n", "command not found: two"),
        ("bash: Zeile 1: x: Kommando nicht gefunden.\n", "command not found"),
        ("", "command not found"),
        ("not started: [Errno 7] Argument list too long: '/bin/bash'\n", ""),
        (f"bash: {'x' * 999}: command not found", f"command not found: {'x' * 100}"),
    ],
)
def test_missing_command_of_a_shell_is_named(said: str, message: str) -> None:
    assert missing_command(ended(127, said)) == message


def test_missing_command_of_make_is_named() -> None:
    said = "make[1]: tsc: No such file or directory\nmake[1]: *** [Makefile:2: all] Error 127\n"
    assert missing_command(ended(2, said)) == "command not found: tsc"


@table(
    ("said", "message"),
    [
        ("bash: line 1: ./todo: Permission denied\n", "cannot execute: ./todo"),
        ("sh: 1: ./todo: Exec format error\n", "cannot execute: ./todo"),
        ("bash: ./a: cannot execute binary file: Exec format error\n", "cannot execute: ./a"),
        ("the container is gone\n", ""),
    ],
)
def test_program_that_cannot_be_executed_is_named(said: str, message: str) -> None:
    assert missing_command(ended(126, said)) == message


def test_shell_in_a_pipe_names_what_it_did_not_find(machine: ExecutionEnvironment) -> None:
    [result] = run(machine, "no-such-program | cat")
    assert result.exit_code == 0
    assert missing_in_a_shell(result.stderr) == "command not found: no-such-program"
    assert not missing_in_a_shell("todo: not found\n")


@table("code", [0, 1, 2, 126])
def test_other_exit_codes_report_no_missing_command(code: int) -> None:
    assert missing_command(ended(code, "bash: line 1: pytest: command not found\n")) == ""


def test_the_shells_of_this_machine_are_understood(machine: ExecutionEnvironment) -> None:
    for result in run(machine, "no-such-program --now", "sh -c 'no-such-program | cat; exit 127'"):
        assert missing_command(result) == "command not found: no-such-program"
