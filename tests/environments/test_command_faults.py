"""A command that fails for want of a program says so, whatever shell found it out."""

import pytest

from attractor.base.processes import ExecResult
from attractor.environments.command_faults import missing_command
from attractor.environments.environment import ExecutionEnvironment
from tests.environments.places import run


def ended(code: int, err: str) -> ExecResult:
    return ExecResult("", err, code, False, 1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("bash: line 1: pytest: command not found\n", "command not found: pytest"),
        ("sh: 1: jest: not found\n", "command not found: jest"),
        ("/bin/sh: 1: tsc: not found\r\n".replace("\r", ""), "command not found: tsc"),
        ("bash: ./run: No such file or directory\n", "command not found: ./run"),
        ("env: ‘ruby’: No such file or directory\n", "command not found: ‘ruby’"),
        (
            "bash: ./x.py: cannot execute: required file not found\n",
            "command not found: ./x.py",
        ),
        ("one: command not found\ntwo: command not found\n", "command not found: two"),
        ("bash: Zeile 1: x: Kommando nicht gefunden.\n", "command not found"),
        ("", "command not found"),
        (f"bash: {'x' * 999}: command not found", f"command not found: {'x' * 100}"),
    ],
)
def test_what_a_shell_did_not_find_is_named(said: str, told: str) -> None:
    assert missing_command(ended(127, said)) == told


def test_what_make_passes_on_is_named_as_well() -> None:
    said = "make[1]: tsc: No such file or directory\nmake[1]: *** [Makefile:2: all] Error 127\n"
    assert missing_command(ended(2, said)) == "command not found: tsc"


@pytest.mark.parametrize("code", [0, 1, 2, 126])
def test_any_other_end_is_no_such_fault(code: int) -> None:
    assert missing_command(ended(code, "bash: line 1: pytest: command not found\n")) == ""


def test_the_shells_of_this_machine_are_understood(machine: ExecutionEnvironment) -> None:
    for result in run(machine, "no-such-program --now", "sh -c 'no-such-program | cat; exit 127'"):
        assert missing_command(result) == "command not found: no-such-program"
