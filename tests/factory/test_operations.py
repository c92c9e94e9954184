"""The Python API for decisions and promotions."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import ChainBroken, ExitCode, Refused
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory import Factory
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.errors import InvalidToken
from attractor.factory.operations.decide import require_decision
from attractor.factory.operations.evaluate import judge_again, replay_cut, request_evaluation
from attractor.factory.operations.rebase import rebase_run
from tests.factory.decisions.test_decide import make_mixed
from tests.factory.decisions.test_rebase import commit_file
from tests.factory.flows import REASON
from tests.pipeline.projects import git


def test_factory_equals_the_commands(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    run = flow.launch().run_id
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    factory = Factory.open(flow.project, environ=state)
    token = flow.make_token()
    assert [one.rule for one in factory.gate(run).reasons] == flow.rules(flow.launch())
    for attempt in (
        lambda: factory.waive(run, "made", REASON, token="guessed"),
        lambda: factory.decide(run, "rejected", REASON, token="guessed"),
        lambda: factory.amend(run, note=REASON, token="guessed"),
    ):
        with pytest.raises(InvalidToken):
            attempt()
    waived = factory.waive(run, "made", REASON, token=token)
    assert (waived.data["by"], waived.data["proof"]) == ("ann-decide", "token")
    assert factory.gate(run).go
    factory.decide(run, "approved", REASON, token=token)
    commit_file(flow, "other.txt", "meanwhile\n")
    rebased = asyncio.run(factory.rebase(run, by="ann"))
    assert rebased.status == AWAITING_DECISION
    factory.decide(rebased.run_id, "rejected", REASON, token=token)
    factory.amend(rebased.run_id, token=token, note="It waits for the holidays.")
    kinds = [one.kind for one in factory.history(run=rebased.run_id)]
    assert kinds == ["decided", "amended"]
    assert len(factory.history()) == 4
    assert git(flow.project, "log", "--format=%s", "-1", "main") == "Add other.txt\n"
    # Change a line of the ledger that belongs to no run.
    ledger = flow.evaluator.ledger.file
    ledger.write_bytes(ledger.read_bytes().replace(b'"todo', b'"tada', 1))
    with pytest.raises(ChainBroken, match="line 1 was changed"):
        factory.history()
    ledger.write_bytes(ledger.read_bytes().replace(b"It waits", b"It waited"))
    with pytest.raises(ChainBroken, match="line 1 was changed"):
        factory.history(run=rebased.run_id)


def test_factory_is_refused_in_processes_of_runs(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Factory is only for the operator") as refused:
        Factory.open(tmp_path, environ={"STARTED_BY_ATTRACTOR": "a tool"})
    assert refused.value.exit_code is ExitCode.REFUSED


def test_operations_are_refused_in_processes_of_runs(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.REJECTED)
    entries, marked = list(flow.opened.ledger.entries()), {"STARTED_BY_ATTRACTOR": "a tool"}
    inside = flow.adjusted(environ={**flow.machine.environ, **marked})
    root, opened = result.directory, inside.opened
    acts: list[Callable[[], object]] = [
        lambda: inside.decide(result, DecisionKind.APPROVED),
        lambda: require_decision(root, opened, DecisionKind.APPROVED, REASON, by="ann"),
        lambda: inside.waive(result, "made"),
        lambda: inside.amend(result, note=REASON),
        lambda: inside.promote(result),
        lambda: inside.roll_back(result),
        lambda: asyncio.run(rebase_run(root, opened, branch="main", by="ann")),
        lambda: request_evaluation(root, opened, by="ann"),
        lambda: judge_again(root, opened, by="ann"),
        lambda: replay_cut(root, opened, by="ann", rationale=REASON),
    ]
    for act in acts:
        with pytest.raises(Refused, match="is only for the operator"):
            act()
    assert list(flow.opened.ledger.entries()) == entries
