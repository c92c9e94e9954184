"""Runs a verifier of the suite, outside of the candidate's sandbox."""

import shlex

from pydantic import Field

from attractor.base.errors import MachineryError
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.suite import Duration, RelativePath
from attractor.scenarios.suite_files import CHECKS

_NOT_EXECUTED = (126, 127)
"""The exit statuses of a shell for a program that is missing or cannot be executed."""


class CommandCheck(CheckOptions):
    """Passes if a program in `checks/` ends with 0; its last line of output is the reason."""

    program: RelativePath = Field(description="an executable file in `checks/`")
    args: tuple[str, ...] = Field(default=(), description="arguments of the program")
    timeout: Duration | None = Field(
        default=None, description="its time limit (default: `trials.timeout`)"
    )

    async def judge(self, observed: Observation) -> CheckResult:
        """Run the verifier beside a copy of the candidate's tree."""
        if observed.verify is None:
            raise MachineryError("no environment for verifiers")
        command = shlex.join([f"{CHECKS}/{self.program}", *self.args])
        verification = await observed.verify(command, self.timeout)
        result = verification.result
        if result.exit_code in _NOT_EXECUTED:
            raise InvalidSuite(
                f"{CHECKS}/{self.program} was not executed: {result.stderr.strip()}",
                hint="check its first line, such as #!/usr/bin/env python3",
            )
        lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
        ended = "exceeded its time limit" if result.timed_out else f"ended with {result.exit_code}"
        reason = f"{self.program} {ended}" + (f": {lines[-1]}" if lines else "")
        if links := verification.links_left_out:
            leave = (
                "link that leaves the tree was" if links == 1 else "links that leave the tree were"
            )
            reason += f"; {links} {leave} left out"
        passed = result.exit_code == 0 and not result.timed_out
        evidence = f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
        return check_result("command", passed=passed, reason=reason, evidence=evidence)


part = CommandCheck
