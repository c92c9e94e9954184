"""Who gives an order that cannot be followed is told what to type, with the run's own name."""

import os
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.engine.errors import NobodyAtWork, NothingAsked
from attractor.engine.secrets import Redactor
from attractor.pipeline.operating import Orders
from tests.engine.graphs import line
from tests.engine.runs import RUN_ID, Workplace


def orders_to(root: Path) -> Orders:
    return Orders(root, "ada", SystemClock(), os.urandom, Redactor())


def test_a_run_that_nobody_is_at_work_on_is_to_be_gone_on_with(tmp_path: Path) -> None:
    root = Workplace(tmp_path / RUN_ID, line("a")).root
    with pytest.raises(NobodyAtWork) as caught:
        orders_to(root).pause()
    assert caught.value.hint == f"go on with it first: attractor resume {RUN_ID}"


def test_a_run_that_asks_nothing_is_to_be_looked_at(tmp_path: Path) -> None:
    root = Workplace(tmp_path / "my run", line("a")).root
    for question in ("", "gate"):
        with pytest.raises(NothingAsked) as caught:
            orders_to(root).answer("Y", question=question)
        assert caught.value.hint == f"see where it stands: attractor status '{root}'"
