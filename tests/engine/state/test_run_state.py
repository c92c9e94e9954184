from itertools import product

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.errors import IllegalTransition
from attractor.engine.state.run_state import TRANSITIONS, require_transition

ALLOWED = {
    "queued": {"booting", "canceled"},
    "booting": {"executing", "failed", "canceled"},
    "executing": {"waiting", "awaiting_human (stage)", "evaluating", "failed", "canceled"},
    "waiting": {"executing", "failed", "canceled"},
    "awaiting_human (stage)": {"executing", "canceled", "failed"},
    "evaluating": {"awaiting_human (decision)", "failed", "canceled"},
    "awaiting_human (decision)": {"approved", "rejected", "canceled", "evaluating"},
    "approved": set[str](),
    "rejected": set[str](),
    "failed": set[str](),
    "canceled": set[str](),
}
ACTIVE = {"queued", "booting", "executing", "waiting", "evaluating", "awaiting_human (stage)"}


def test_every_status_is_in_transition_table() -> None:
    assert {str(one) for one in TRANSITIONS} == set(ALLOWED)


def test_only_transitions_in_table_are_allowed() -> None:
    for now, then in product(TRANSITIONS, TRANSITIONS):
        if str(then) in ALLOWED[str(now)]:
            require_transition(now, then)
            continue
        with pytest.raises(IllegalTransition) as caught:
            require_transition(now, then)
        assert caught.value.exit_code is ExitCode.REFUSED


def test_final_and_active_statuses() -> None:
    final = {str(one) for one in TRANSITIONS if one.is_final}
    assert final == {"approved", "rejected", "failed", "canceled"}
    assert {str(one) for one in TRANSITIONS if one.is_active} == ACTIVE
