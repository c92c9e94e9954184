"""Checks the requests that a twin received."""

import json
from collections.abc import Iterator, Sequence

from pydantic import Field, model_validator

from attractor.base.amounts import number_of
from attractor.config.tables import Name
from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    SeenRequest,
    check_result,
    meets,
)
from attractor.scenarios.suite import RequestPattern


class TwinCheck(RequestPattern, CheckOptions):
    """Passes if a twin received the expected number of matching requests, and in the order."""

    twin: Name = Field(description="a twin of the suite")
    count: int | None = Field(default=None, ge=0, description="the number of matching requests")
    at_least: int | None = Field(
        default=None, ge=0, description="the smallest number of matching requests"
    )
    at_most: int | None = Field(
        default=None, ge=0, description="the largest number of matching requests"
    )
    in_order: tuple[RequestPattern, ...] = Field(
        default=(),
        description="requests, each a table with `method`, `path` and `body`, that must be "
        "found in this order among the matching ones",
    )

    @model_validator(mode="after")
    def _has_an_expectation(self) -> "TwinCheck":
        limits = (self.count, self.at_least, self.at_most)
        if all(limit is None for limit in limits) and not self.in_order:
            raise ValueError("set at least one of count, at_least, at_most and in_order")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Count the matching requests, and search the ordered ones."""
        requests = observed.twins[self.twin]()
        matching = [request for request in requests if meets(request, self)]
        mismatch = next(self._mismatches(matching), "")
        reason = f"the twin {self.twin} {mismatch or 'received the expected requests'}"
        evidence = json.dumps([dict(request) for request in requests])
        return check_result("twin", passed=not mismatch, reason=reason, evidence=evidence)

    def _mismatches(self, matching: Sequence[SeenRequest]) -> Iterator[str]:
        found = f"received {number_of(len(matching), 'request')} {RequestPattern.__str__(self)}"
        if self.count is not None and len(matching) != self.count:
            yield f"{found}, not {self.count}"
        if self.at_least is not None and len(matching) < self.at_least:
            yield f"{found}, fewer than {self.at_least}"
        if self.at_most is not None and len(matching) > self.at_most:
            yield f"{found}, more than {self.at_most}"
        rest = iter(matching)
        for number, pattern in enumerate(self.in_order):
            # The search for each pattern starts behind the request of the pattern before.
            if not any(meets(one, pattern) for one in rest):
                yield f"received no request {pattern} after {number} of in_order"


part = TwinCheck
