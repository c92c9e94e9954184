import click
import pytest

from attractor.base.errors import AttractorError, ExitCode, Refused
from attractor.cli.failures import Failure, describe_failure


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (AttractorError("it fell", hint="pick it up"), 1, "error: it fell (pick it up)"),
        (Refused(), 4, "error: A rule of the control plane says no"),
        (click.UsageError("Bad\nwords."), 2, "error: bad words (see 'attractor --help')"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.Abort(), 130, "error: interrupted"),
    ],
)
def test_an_error_is_one_line_and_a_code(error: BaseException, code: int, line: str) -> None:
    failure = describe_failure(error)
    assert (failure.exit_code, failure.line()) == (code, line)


def test_trouble_of_the_machine_is_resumable_and_a_defect_is_not() -> None:
    assert describe_failure(OSError(28, "No space left")).exit_code is ExitCode.UNFINISHED
    assert describe_failure(ZeroDivisionError("by 0")).exit_code is ExitCode.FAILED
    assert "report" in describe_failure(ZeroDivisionError("by 0")).hint


def test_a_name_that_is_too_long_for_a_file_is_told_in_short() -> None:
    failure = describe_failure(OSError(36, "File name too long", "x" * 5000))
    assert failure.exit_code is ExitCode.USAGE
    assert failure.line().startswith("error: the name of a file is too long: xxx")
    assert failure.line().endswith("… (choose a shorter one)")
    assert len(failure.line()) < 200


def test_a_program_is_told_more_than_a_line_can_hold() -> None:
    error = AttractorError("it fell")
    error.details = {"directory": "/there"}
    told = {"kind": "AttractorError", "message": "it fell", "hint": "", "exit_code": 1}
    assert describe_failure(error).record() == {"error": {**told, "directory": "/there"}}
    assert AttractorError("another").details == {}


def test_a_program_is_told_the_same() -> None:
    failure = Failure("Refused", "no", "ask", ExitCode.REFUSED)
    told = {"kind": "Refused", "message": "no", "hint": "ask", "exit_code": 4}
    assert failure.record() == {"error": told}
