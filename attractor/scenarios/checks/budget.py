"""Checks the wall time of the steps, and the cost and tokens of model calls of a trial."""

from pydantic import Field, model_validator

from attractor.scenarios.check import (
    CheckOptions,
    CheckPhase,
    CheckResult,
    Observation,
    check_result,
)


class BudgetCheck(CheckOptions):
    """Passes if the trial used at most the given seconds, cost and tokens."""

    phase = CheckPhase.LAST

    seconds: float | None = Field(
        default=None, gt=0, description="the largest wall time of the steps together"
    )
    cost_usd: float | None = Field(
        default=None, ge=0, description="the largest cost of model calls; an unknown cost fails"
    )
    tokens: int | None = Field(
        default=None, ge=0, description="the largest number of tokens of model calls"
    )

    @model_validator(mode="after")
    def _has_a_limit(self) -> "BudgetCheck":
        if self.seconds is None and self.cost_usd is None and self.tokens is None:
            raise ValueError("set at least one of seconds, cost_usd and tokens")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare each limit."""
        usage = observed.usage
        figures = (
            (usage.seconds, self.seconds, "{:.1f} seconds"),
            (usage.cost_usd, self.cost_usd, "{:.4f} USD"),
            (usage.tokens, self.tokens, "{} tokens"),
        )
        exceeded = [
            f"{text.format(used)}, more than {text.format(limit)}"
            for used, limit, text in figures
            if limit is not None and used > limit
        ]
        if self.cost_usd is not None and usage.unpriced_tokens:
            exceeded.append("a model without a price, whose cost is unknown: limit tokens instead")
        reason = f"the trial used {' and '.join(exceeded)}" if exceeded else "within the budget"
        evidence = f"{usage.seconds} {usage.cost_usd} {usage.tokens}"
        return check_result("budget", passed=not exceeded, reason=reason, evidence=evidence)


part = BudgetCheck
