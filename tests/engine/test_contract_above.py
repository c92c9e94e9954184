"""What a run is told of those that it is part of: by its children's starter, and by nobody."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.registry import find_shortcoming
from attractor.engine.budgets import Budgets
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.seams import ALONE, Exhausted, ParentRun
from tests.pipeline.families import Family, family


def part_of(parent: Family) -> ParentRun:
    return replace(parent.children, above=parent.children)


def of_a_run(tmp_path: Path) -> Iterator[ParentRun]:
    with family(tmp_path) as parent:
        yield part_of(parent)


def of_nothing(tmp_path: Path) -> Iterator[ParentRun]:
    yield ALONE


@pytest.mark.parametrize("make", [of_a_run, of_nothing])
def test_where_nothing_is_ordered_or_limited_a_run_goes_on(
    make: Callable[[Path], Iterator[ParentRun]], tmp_path: Path
) -> None:
    for above in make(tmp_path):
        assert find_shortcoming(above, ParentRun) == ""
        above.require_left()
        assert not above.is_paused()


def test_a_run_above_that_is_paused_or_has_used_all_holds_its_parts(tmp_path: Path) -> None:
    with family(tmp_path) as parent:
        parent.budgets = Budgets(duration=timedelta(0))
        above = part_of(parent)
        with pytest.raises(Exhausted, match="max_duration"):
            above.require_left()
        parent.run.record(OperatorAction(Action.PAUSE.value, "ann", ""))
        assert above.is_paused()
