"""Runs a probe of the suite: a program that talks to the services of a trial while they run."""

import shlex

from pydantic import Field

from attractor.base.errors import MachineryError
from attractor.scenarios.check import (
    CheckOptions,
    CheckPhase,
    CheckResult,
    Observation,
    check_result,
)
from attractor.scenarios.suite import PROBE, Duration, RelativePath
from attractor.scenarios.suite_files import CHECKS
from attractor.scenarios.verifier import program_verdict


class ProbeCheck(CheckOptions):
    """Passes if a program in `checks/` that talks to the services ends with 0."""

    phase = CheckPhase.RUNNING

    program: RelativePath = Field(description="an executable file in `checks/`")
    args: tuple[str, ...] = Field(default=(), description="arguments of the program")
    timeout: Duration | None = Field(
        default=None, description="its time limit (default: `trials.timeout`)"
    )

    async def judge(self, observed: Observation) -> CheckResult:
        """Run the probe after the last step."""
        if observed.failure:
            reason = observed.failure
            return check_result(PROBE, passed=False, reason=reason, evidence=reason)
        if observed.probe is None:
            raise MachineryError("no environment for probes")
        command = shlex.join([f"{CHECKS}/{self.program}", *self.args])
        result = await observed.probe(command, self.timeout)
        passed, reason = program_verdict(self.program, result, "probe ")
        evidence = f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
        return check_result(PROBE, passed=passed, reason=reason, evidence=evidence)


part = ProbeCheck
