"""Budgets of a run (R12)."""

from datetime import timedelta

import pytest

from attractor.engine.budgets import NO_BUDGETS, Budgets, budgets_from_record, budgets_to_record
from attractor.engine.storage.json_files import Fields


@pytest.mark.parametrize("budgets", [NO_BUDGETS, Budgets(0.0, 1, timedelta()), Budgets(tokens=5)])
def test_budgets_are_read_back_as_they_were_written(budgets: Budgets) -> None:
    assert budgets_from_record(Fields(budgets_to_record(budgets), "x")) == budgets
