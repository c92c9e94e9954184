"""Finds the program that a failed command lacks, by the words of shells and of make."""

import re

from attractor.base.patterns import late_pattern
from attractor.base.processes import ExecResult

NOT_EXECUTED, NOT_FOUND = 126, 127
"""The exit statuses of a shell for a program that cannot be executed, and for a missing one."""

_LONGEST_NAME = 100
# bash: `bash: line 1: foo: command not found`; dash: `sh: 1: foo: not found`;
# a script without its interpreter: `bash: ./x: cannot execute: required file not found`.
_SAID = late_pattern(
    r"^(?:.*: )?(?P<name>[^\s:][^:\n]*): (?:command not found|not found|No such file or directory"
    r"|cannot execute: required file not found)$",
    re.MULTILINE,
)
_REFUSED = late_pattern(
    r"^(?:.*?: )?(?!line )(?P<name>[^\s:][^:\n]*): "
    r"(?:Permission denied|cannot execute\b.*|Exec format error)$",
    re.MULTILINE,
)
# A shell in the middle of a command says so whatever the command ends with.
_SHELL = late_pattern(
    r"^\S*sh: (?:line )?\d+: (?P<name>[^\s:][^:\n]*): (?:command not found|not found)$",
    re.MULTILINE,
)
# make exits with 2 itself, and prints the status of its command.
_PASSED_ON = late_pattern(r"^make(?:\[\d+\])?: \*\*\* .*\bError (?P<status>12[67])$", re.MULTILINE)
# java, node and python3 do not find the file that they should start.
_NO_FILE = late_pattern(r"Unable to access jarfile|MODULE_NOT_FOUND|can't open file '")

# The words of shells in the middle of a reason, and those of `missing_command`.
_IN_REASONS = tuple(
    late_pattern(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:command not found|cannot execute): (?!required file not found)([^\s:]+)",
        r"(?<![^\s:])([^\s:]+): (?:command not found|cannot execute: required file not found)",
        r"sh: (?:line )?\d+: ([^\s:]+): not found\b",
        r"\bprogram '?([^\s':]+)'? (?:is )?(?:not found|not installed|missing)",
    )
)


def missing_command(result: ExecResult) -> str:
    """Return "command not found" with the name if a command failed because of a missing program.

    Of a program that cannot be executed, return "cannot execute" with the name.
    """
    passed_on = _PASSED_ON.search(result.stderr) if result.exit_code else None
    status = int(passed_on["status"]) if passed_on else result.exit_code
    if status not in (NOT_EXECUTED, NOT_FOUND):
        return ""
    if result.stderr.startswith("not started: "):  # the supervisor names the cause
        return ""
    said, words = (
        (_SAID, "command not found") if status == NOT_FOUND else (_REFUSED, "cannot execute")
    )
    names = said.findall(result.stderr)
    if not names:
        # A shell in another language; other programs also end with 126.
        return words if status == NOT_FOUND else ""
    return f"{words}: {names[-1][:_LONGEST_NAME]}"


def missing_in_a_shell(stderr: str) -> str:
    """Return "command not found" with the name if a shell says so, whatever its exit status."""
    names = _SHELL.findall(stderr)
    return f"command not found: {names[-1][:_LONGEST_NAME]}" if names else ""


def find_missing_program(reason: str) -> str:
    """Return the program that a stage failed for, by the words of its reason, or ""."""
    found = (pattern.search(reason) for pattern in _IN_REASONS)
    return next((match[1] for match in found if match), "")


def lacks_file(stderr: str) -> bool:
    """Return whether java, node or python3 did not find the file that they should start."""
    return _NO_FILE.search(stderr) is not None
