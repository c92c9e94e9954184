"""Makes a plan of a proposal, or refuses the proposal with all reasons."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from attractor.growth.desires import UserDesire
from attractor.growth.development import DevelopmentalSpec
from attractor.growth.errors import PlanRefused
from attractor.growth.plans.checks import Finding, check_proposal, find_unclear
from attractor.growth.plans.plan import Plan, Proposal, named
from attractor.growth.spec.graph import SpecGraph


def make_plan(
    base: SpecGraph,
    proposal: Proposal,
    development: DevelopmentalSpec,
    *,
    head: SpecGraph | None,
    desires: Sequence[UserDesire] = (),
    is_dropped: Callable[[str], bool],
) -> Plan:
    """Return the plan of a proposal, or raise PlanRefused.

    `head` is the specification in the repository of the app, if there is one. The same proposal for
    the same base is the same plan, unless that plan was dropped.
    """
    checked = check_proposal(base, proposal, development)
    if findings := [*find_unclear(base, head), *checked.findings]:
        raise refusal(findings)
    plan = Plan("", base, checked.morphs, proposal.tests, development.hash, tuple(desires))
    attempts = (named(replace(plan, attempt=number)) for number in count(1))
    return next(one for one in attempts if not is_dropped(one.id))


def refusal(findings: Sequence[Finding]) -> PlanRefused:
    """Return the error with all reasons to refuse a proposal."""
    lines = [one.message for one in findings]
    error = PlanRefused(f"the plan is refused: {'; '.join(lines)}", hint=findings[0].hint)
    error.details = {"findings": [one.to_dict() for one in findings]}
    return error
