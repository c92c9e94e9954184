"""The governor: rules about tasks that do not succeed. Each names its evidence.

No rule allows anything: it gives a task up, leaves it to a person, or stops the mission.
"""

from collections.abc import Callable, Mapping

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.missions.records import Act, Acted, History, Returned

_EQUAL, _MOST = 3, 5
_SHARE = 0.5


@dataclass(frozen=True)
class Rule:
    """A rule: what it does by default, and the evidence for a task, or ""."""

    act: Act
    find: Callable[[History, str], str]


def _failed_thrice(history: History, task: str) -> str:
    last = history.returns_of(task)[-_EQUAL:]
    if len(last) < _EQUAL or len({one.cause for one in last}) > 1:
        return ""
    return f"{last[-1].cause} in {', '.join(one.run_id for one in last)}: {last[-1].words}"


def _returned_often(history: History, task: str) -> str:
    returns = history.returns_of(task)
    if len(returns) < _MOST:
        return ""
    return f"{number_of(len(returns), 'run')}, the last one {returns[-1].run_id}"


def _same_again(history: History, task: str) -> str:
    """Two workers wrote the same files, which were returned: a third one would, too."""
    trees: dict[str, Returned] = {}
    for one in history.returns_of(task):
        tree = history.ended[one.run_id].tree if one.run_id in history.ended else ""
        if tree and (before := trees.get(tree)) and before.cause == one.cause:
            return f"{before.run_id} and {one.run_id} wrote the same files: {one.words}"
        trees[tree] = one
    return ""


def _dear(history: History, task: str) -> str:
    most = history.mission.max_cost_usd
    spent = spent_on(history, task)
    if most is None or task in history.landed or spent <= most * _SHARE:
        return ""
    return f"${spent:.2f} of ${most:.2f} in {number_of(len(history.returns_of(task)), 'run')}"


def spent_on(history: History, task: str) -> float:
    """Return the cost of the ended runs of a task."""
    runs = [line.run_id for line in history.begun.values() if line.task == task]
    return sum(history.ended[one].cost_usd for one in runs if one in history.ended)


RULES: Mapping[str, Rule] = {
    "failed_thrice": Rule(Act.GIVE_UP, _failed_thrice),
    "same_again": Rule(Act.GIVE_UP, _same_again),
    "returned_often": Rule(Act.GIVE_UP, _returned_often),
    "dear": Rule(Act.ASK, _dear),
}


def find_act(history: History, task: str) -> tuple[str, Act, str]:
    """Return the first rule that acts on a task, its act and its evidence; empty without one.

    An act for an evidence that led to the same act before stops the mission: it changed nothing.
    """
    for name, rule in RULES.items():
        if not (evidence := rule.find(history, task)):
            continue
        act = Act(history.mission.rules.get(name, rule.act))
        is_repeated = any(
            (one.rule, one.act, one.task, one.evidence) == (name, act, task, evidence)
            for one in history.all(Acted)
        )
        return name, Act.STOP if is_repeated else act, evidence
    return "", Act.STOP, ""
