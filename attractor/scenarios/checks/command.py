"""Runs a verifier of the suite, outside of the candidate's sandbox."""

import shlex

from pydantic import Field

from attractor.base.errors import MachineryError
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result
from attractor.scenarios.suite import Duration, RelativePath
from attractor.scenarios.suite_files import CHECKS
from attractor.scenarios.verifier import program_verdict


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
        passed, reason = program_verdict(self.program, result)
        if links := verification.links_left_out:
            leave = (
                "link that leaves the tree was" if links == 1 else "links that leave the tree were"
            )
            reason += f"; {links} {leave} left out"
        evidence = f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
        return check_result("command", passed=passed, reason=reason, evidence=evidence)


part = CommandCheck
