"""Contract of ParentRun: budgets and pauses of the runs around a child."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.registry import find_shortcoming
from attractor.engine.budgets import Budgets
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.seams import Exhausted, ParentRun
from tests.pipeline.families import Family, family


def parent_of(family: Family) -> ParentRun:
    return replace(family.children, outer=family.children)


def test_running_parent_does_not_stop_its_children(tmp_path: Path) -> None:
    with family(tmp_path) as of:
        parent = parent_of(of)
        assert find_shortcoming(parent, ParentRun) == ""
        parent.require_budget()
        assert not parent.is_paused()


def test_paused_or_exhausted_parent_stops_its_children(tmp_path: Path) -> None:
    with family(tmp_path) as of:
        of.budgets = Budgets(duration=timedelta(0))
        parent = parent_of(of)
        with pytest.raises(Exhausted, match="max_duration"):
            parent.require_budget()
        of.run.record(OperatorAction(Action.PAUSE.value, "ann", ""))
        assert parent.is_paused()
