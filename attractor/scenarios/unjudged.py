"""Keeps what the judge needs of a trial whose judge failed, so that only the judge is asked again.

A candidate can make the provider of the judge fail, so such a trial is not played again: the
results of its other checks stand, and so do the scores that the judge gave.
"""

from dataclasses import replace
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.scenarios.check import (
    AskJudge,
    CheckPhase,
    CheckResult,
    JudgedCheck,
    JudgeQuestion,
    Observation,
    TrialUsage,
    Unjudged,
    build_checks,
    check_registry,
    judge_phase,
)
from attractor.scenarios.suite import Scenario


@dataclass(frozen=True)
class OpenQuestion:
    """A question that the judge did not answer: the number of its check, and the public reason."""

    check: int
    question: JudgeQuestion
    reason: str


@dataclass(frozen=True)
class KeptTrial:
    """The results of the checks of a trial, without those of its open questions, and its usage."""

    checks: tuple[CheckResult, ...]
    questions: tuple[OpenQuestion, ...]
    seconds: float
    cost_usd: float
    tokens: int
    unpriced_tokens: int

    @classmethod
    def of(cls, checks: tuple[CheckResult, ...], observed: Observation) -> "KeptTrial":
        """Return everything that the judge needs of a played scenario."""
        questions = (
            OpenQuestion(number, error.question, error.reason)
            for number, error in sorted(observed.unjudged.items())
        )
        return cls(checks, tuple(questions), **vars(observed.usage))

    async def judge(
        self, scenario: Scenario, ask_judge: AskJudge, timeout: timedelta
    ) -> "KeptTrial":
        """Ask the judge the open questions; checks that compare the usage are judged again."""
        checks = build_checks(scenario, check_registry())
        usage = TrialUsage(self.seconds, self.cost_usd, self.tokens, self.unpriced_tokens)
        observed = Observation({}, MemoryExecutionEnvironment(), usage=usage)
        still_open = {one.check for one in self.questions}
        known = [number for number in range(len(checks)) if number not in still_open]
        results = dict(zip(known, self.checks, strict=False))
        # The failed result `steps` has no check.
        rest = self.checks[len(known) :]
        for one in self.questions:
            check = checks[one.check]
            assert isinstance(check, JudgedCheck)
            try:
                verdict = await ask_judge(one.question)
            except Unjudged as error:
                observed.keep(one.check, error)
                continue
            usage.add(verdict)
            scored = check.scored(one.question, verdict)
            results[one.check] = replace(scored, hard=check.hard)
        results |= await judge_phase(scenario, checks, observed, timeout, CheckPhase.LAST)
        in_order = [results[number] for number in sorted(results)]
        return self.of((*in_order, *rest), observed)
