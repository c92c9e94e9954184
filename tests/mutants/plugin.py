"""A plugin of pytest, with which tests that start processes run on the copy of mutmut."""

import os

import pytest

MUTANT = "MUTANT_UNDER_TEST"
# Tests of the text of modules fail for a module with mutants.
OF_TEXTS = ("test_9_6_every_event_there_is_is_documented",)


def pytest_configure() -> None:
    """Let only this process record which tests reach a function.

    A process that a test starts in another folder finds no settings of mutmut there.
    """
    if os.environ.get(MUTANT) == "stats":
        del os.environ[MUTANT]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if item.name not in OF_TEXTS]
