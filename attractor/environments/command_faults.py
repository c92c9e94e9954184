"""Says when a command ended because a program that it calls is not there."""

import re

from attractor.base.processes import ExecResult

NOT_FOUND = 127
"""How a shell ends when what it should run is not there."""

_LONGEST_NAME = 100
# bash: `bash: line 1: foo: command not found`; dash: `sh: 1: foo: not found`;
# a script without its interpreter: `bash: ./x: cannot execute: required file not found`.
_SAID = re.compile(
    r"^(?:.*: )?(?P<name>[^\s:][^:\n]*): (?:command not found|not found|No such file or directory"
    r"|cannot execute: required file not found)$",
    re.MULTILINE,
)
# make ends with 2 itself, and says how what it ran did.
_PASSED_ON = re.compile(r"^make(?:\[\d+\])?: \*\*\* .*\bError 127$", re.MULTILINE)


def missing_command(result: ExecResult) -> str:
    """Return "command not found" with the command's name, if that is why a command failed."""
    if result.exit_code != NOT_FOUND and not _is_passed_on(result):
        return ""
    names = _SAID.findall(result.stderr)
    return f"command not found: {names[-1][:_LONGEST_NAME]}" if names else "command not found"


def _is_passed_on(result: ExecResult) -> bool:
    return result.exit_code != 0 and _PASSED_ON.search(result.stderr) is not None
