from itertools import product

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.errors import IllegalTransition
from attractor.engine.state import run_state as status
from attractor.engine.state.run_state import (
    TRANSITIONS,
    Phase,
    RunStatus,
    StatusWord,
    require_transition,
)


def test_every_status_is_in_transition_table() -> None:
    assert {one.word for one in TRANSITIONS} == set(StatusWord)
    assert {one for many in TRANSITIONS.values() for one in many} <= set(TRANSITIONS)


def test_only_transitions_in_table_are_allowed() -> None:
    for now, then in product(TRANSITIONS, TRANSITIONS):
        if then in TRANSITIONS[now]:
            require_transition(now, then)
            continue
        with pytest.raises(IllegalTransition) as caught:
            require_transition(now, then)
        assert caught.value.exit_code is ExitCode.REFUSED


def test_final_and_active_statuses() -> None:
    final = {one.word for one in TRANSITIONS if one.is_final}
    assert final == {"approved", "rejected", "failed", "canceled"}
    assert status.AWAITING_ANSWER.is_active
    assert not status.AWAITING_DECISION.is_active
    assert not status.FAILED.is_active
    assert str(RunStatus(StatusWord.AWAITING_HUMAN, Phase.STAGE)) == "awaiting_human (stage)"
