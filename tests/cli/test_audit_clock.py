"""`attractor audit clock`: a record dated ahead is shown, and corrected by a person."""

import json
from pathlib import Path

import pytest

from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.errors import ClockSetBack
from attractor.factory.history.audit import audit
from attractor.factory.ledger.ledger import LineKind
from tests.cli.running import ATTRACTOR, attractor
from tests.cli.terminals import sit
from tests.factory.flows import Flow, make_flow
from tests.tables import table

AHEAD = 400


def clock(flow: Flow, *words: str, **variables: str) -> tuple[int, str, str]:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    done = attractor("audit", "clock", *words, folder=flow.project, variables=state | variables)
    return done.returncode, done.stdout, done.stderr


def test_record_dated_ahead_is_shown_and_corrected_with_a_token(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    token, weak = flow.make_token(), flow.make_token("operate")
    assert "No record is dated ahead." in clock(flow)[1]
    assert clock(flow, "--correct", ATTRACTOR_TOKEN=token)[0] == 4
    ahead = flow.at(days=AHEAD)
    early = ahead.launch()
    ahead.waive(early, "made", days=7)
    with pytest.raises(ClockSetBack):
        flow.launch()
    code, shown, _ = clock(flow)
    assert (code, shown.count(" UTC")) == (0, 2)
    assert "(waived)" in shown
    assert "ahead, so nothing can be recorded" in shown
    assert json.loads(clock(flow, "--json")[1])["is_ahead"]
    code, _, output = clock(flow, "--correct")
    assert (code, "cannot prove who decides: there is no terminal" in output) == (2, True)
    assert clock(flow, "--correct", ATTRACTOR_TOKEN=weak)[0] == 2
    code, shown, output = clock(flow, "--correct", ATTRACTOR_TOKEN=token)
    assert (code, output) == (0, "")
    assert "corrected" in shown
    [corrected] = [
        one for one in flow.evaluator.ledger.entries() if one.kind == LineKind.CLOCK_CORRECTED
    ]
    assert (corrected.data["by"], corrected.data["proof"]) == ("ann-decide", "token")
    # Runs from before and after the correction can be decided.
    now = flow.launch()
    for result in (now, early):
        flow.decide(result, DecisionKind.REJECTED)
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []


@table(("days", "is_valid"), [(3, False), (14, True)])
def test_corrected_clock_does_not_revive_an_expired_waiver(
    tmp_path: Path, days: int, is_valid: bool
) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    result = flow.launch()
    flow.waive(result, "made", days=days)
    flow.at(days=7).launch(evaluate=False)
    assert flow.evaluator.ledger.correct_clock(
        by="ann", proof="token", now=flow.machine.clock.now()
    )
    assert ("unresolved_failure" not in flow.rules(result)) == is_valid
    late = flow.launch()
    flow.waive(late, "made", days=3)
    assert "unresolved_failure" not in flow.rules(late)


def test_person_at_a_terminal_corrects_the_clock_after_a_question(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.at(days=AHEAD).launch(evaluate=False)
    state = str(flow.machine.state_dir)
    environ = {"PATH": "/usr/bin", "LANG": "C.UTF-8", "ATTRACTOR_STATE_DIR": state}
    words = [ATTRACTOR, "audit", "clock", "--correct"]
    for answer, exit_code in (("n", 130), ("y", 0)):
        with sit(words, cwd=flow.project, environ=environ) as person:
            person.until("Is it ", " UTC?")
            person.type(f"{answer}\n")
            assert person.ends_with() == exit_code
    assert flow.launch(evaluate=False)
