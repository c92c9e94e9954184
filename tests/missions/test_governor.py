"""The governor against a plain model of its rules, and against what it never allows."""

from dataclasses import replace
from itertools import groupby
from random import Random

import pytest

from attractor.config.settings import MissionsSettings
from attractor.missions.governor import RULES, find_act
from attractor.missions.orders import Do
from attractor.missions.records import Act, Begun, Cause, Ended, History, Line, Returned, Role
from tests.missions.test_orders import MISSION, NOW, ONE, TWO, orders, planned

HISTORIES = 300


def wanted(tried: list[tuple[Cause, str, float]], most: float | None) -> str:
    """Return the rule that acts, in the plainest words: work is (cause, tree, cost)."""
    runs = [len([*group]) for _, group in groupby(cause for cause, _, _ in tried)]
    if runs and runs[-1] >= 3:
        return "failed_thrice"
    for at, (cause, tree, _) in enumerate(tried):
        before = [one for one in tried[:at] if one[1] == tree]
        if before and before[-1][0] == cause:
            return "same_again"
    if len(tried) >= 5:
        return "returned_often"
    return "dear" if most is not None and sum(cost for _, _, cost in tried) > most / 2 else ""


def told(tried: list[tuple[Cause, str, float]], most: float | None) -> History:
    lines: list[Line] = planned(ONE, TWO, mission=replace(MISSION, max_cost_usd=most))
    for at, (cause, tree, cost) in enumerate(tried):
        run = f"w{at}"
        lines.append(Begun(run, Role.WORKER, NOW, "c0", "one", reserved_usd=cost))
        lines.append(Ended(run, NOW, True, tree=tree, cost_usd=cost))
        lines.append(Returned("one", run, cause, f"why {at}", NOW))
    return History(lines)


@pytest.mark.parametrize("block", range(3))
def test_rules_agree_with_a_plain_model(block: int) -> None:
    random, seen = Random(block), set[str]()
    for _ in range(HISTORIES // 3):
        most = random.choice([None, 1.0, 4.0])
        tried = [
            (random.choice([*Cause]), random.choice("abcdefgh"), random.choice([0.0, 0.1, 0.4]))
            for _ in range(random.randint(0, 6))
        ]
        history = told(tried, most)
        rule, act, evidence = find_act(history, "one")
        assert rule == wanted(tried, most)
        assert bool(evidence) == bool(rule)
        assert not rule or act is RULES[rule].act
        assert find_act(history, "two")[0] == ""
        seen.add(rule)
    assert seen == {"", *RULES}


@pytest.mark.parametrize("act", [*Act])
def test_no_act_lets_a_mission_spend_more_or_work_on(act: Act) -> None:
    rules = dict.fromkeys(RULES, act.value)
    spent = told([(Cause.CHECK, "a", 1.0)] * 3, 1.0)
    changed = [replace(spent.mission, rules=rules), *spent.lines[1:]]
    found = orders(*changed)
    assert not any(one.do in (Do.WORK, Do.PLAN, Do.JUDGE) for one in found)


def test_settings_have_each_rule_with_its_default() -> None:
    settings = MissionsSettings()
    assert {name: getattr(settings, name) for name in RULES} == {
        name: rule.act.value for name, rule in RULES.items()
    }
