"""Runs with a suite, from their start to a person's decision."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attractor.base.clock import SystemClock
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import Amendment, Decision, DecisionKind, Operator, Proof
from attractor.factory.decisions.promotion import Promotion
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateReport
from attractor.factory.ledger.ledger import LedgerEntry
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.decide import amend_decision, decide_run, waive_scenario
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.promote import promote_run, roll_back_run
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.factory.resources.profiles import make_profile
from attractor.pipeline.project.machine import Machine
from attractor.records.request import Overrides
from tests.copies import copies
from tests.factory.resources.stores import register
from tests.pipeline.projects import adjusted, make_project, open_project, simulated
from tests.scenarios.suites import SUITE, write_suite

HOLDOUT = """
id = "made"
title = "It is made"
story = "Ann looks into the file."

[[steps]]
name = "look"
run = "cat made.txt"

[[checks]]
kind = "stdout"
step = "look"
equals = "{wanted}"
"""
REASON = "The file says what it should."
ANN = Operator("ann", Proof.TOKEN)


class ShiftedClock(SystemClock):
    """The system clock with a fixed offset."""

    def __init__(self, shift: timedelta) -> None:
        self._shift = shift

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return super().now() + self._shift


@dataclass(frozen=True)
class Flow:
    """A project with a registered suite, and operations on its runs.

    Runs launched by an unchanged project are copied (see `tests.copies`).
    """

    project: Path
    opened: OpenProject
    made_with: OpenProject | None = None

    @property
    def machine(self) -> Machine:
        return self.opened.project.machine

    @property
    def runs_dir(self) -> Path:
        return self.opened.project.runs_dir

    @property
    def evaluator(self) -> Evaluator:
        return Evaluator(self.opened)

    def launch(
        self,
        *,
        suite: str = "todo",
        profile: str = "lenient",
        sandbox: str = "none",
        workspace: str = "isolated",
        evaluate: bool = True,
        interviewer: str = "",
        include_dirty: bool = False,
        root: Path | None = None,
        feedback: RunResult | None = None,
        goal: str = "",
        promoted_by: str = "",
        backend: str = "simulate",
    ) -> RunResult:
        options = simulated(
            self.project,
            backend=backend,
            sandbox=sandbox,
            workspace=workspace,
            suite=suite,
            profile=profile,
            evaluate=evaluate,
            interviewer=interviewer,
            include_dirty=include_dirty,
            goal=goal,
            promoted_by=promoted_by,
        )
        source = feedback.directory if feedback else None

        def start() -> RunResult:
            return asyncio.run(start_run(options, self.opened, root=root, feedback=source))

        if self.opened is not self.made_with:
            return start()
        return copies().take(self.project.parent, f"{options} {root} {source}", start)

    def resume(self, result: RunResult, *, evaluate: bool | None = True) -> RunResult:
        overrides = Overrides(evaluate=evaluate)
        return asyncio.run(resume_run(result.directory, self.opened, overrides))

    def report(self, result: RunResult) -> GateReport:
        return gate(ask_gate(result.directory, self.opened)[1])

    def rules(self, result: RunResult) -> list[str]:
        return [one.rule for one in self.report(result).reasons]

    def decide(
        self, result: RunResult, verdict: DecisionKind, rationale: str = REASON
    ) -> LedgerEntry:
        return decide_run(result.directory, self.opened, Decision(verdict, ANN, rationale))

    def waive(
        self, result: RunResult, scenario: str, reason: str = REASON, **expires: float
    ) -> LedgerEntry:
        root, expires_in = result.directory, timedelta(**expires or {"days": 7})
        return waive_scenario(
            root, self.opened, scenario, by=ANN, reason=reason, expires_in=expires_in
        )

    def amend(self, result: RunResult, **words: str) -> LedgerEntry:
        return amend_decision(result.directory, self.opened, Amendment(**words), by=ANN)

    def at(self, **shift: float) -> "Flow":
        """Return the project with a clock that has an offset."""
        return self.adjusted(clock=ShiftedClock(timedelta(**shift)))

    def adjusted(self, **fields: Any) -> "Flow":
        """Return the flow with other values of fields of its project."""
        return replace(self, opened=OpenProject(adjusted(self.opened.project, **fields)))

    def make_token(self, scope: str = "decide") -> str:
        """Create a token, as a person does at a terminal, and return its secret."""
        secret = f"secret-of-the-test-to-{scope}"
        tokens = TokenStore(self.machine.state_dir)
        tokens.create(f"ann-{scope}", scope, secret, by="ann", now=self.machine.clock.now())
        return secret

    def promote(self, result: RunResult, branch: str = "main") -> Promotion:
        return asyncio.run(promote_run(result.directory, self.opened, branch=branch, by="ann"))

    def roll_back(
        self, result: RunResult, reason: str = REASON, *, branch: str = "main"
    ) -> Promotion:
        return asyncio.run(
            roll_back_run(result.directory, self.opened, branch=branch, by="ann", reason=reason)
        )


def make_flow(tmp_path: Path, *, wanted: str = "made", suite: str = SUITE, **holdouts: str) -> Flow:
    """Make a project with these holdouts (default: one holdout that expects a word in a file)."""
    written = holdouts or {"made": HOLDOUT.format(wanted=wanted)}
    copies().take(
        tmp_path, f"{tmp_path} {suite} {written}", lambda: _make(tmp_path, suite, written)
    )
    project = tmp_path / "project"
    opened = OpenProject(open_project(project))
    return Flow(project, opened, opened)


def _make(tmp_path: Path, suite: str, holdouts: dict[str, str]) -> None:
    project = make_project(tmp_path / "project", **{"scenarios/todo/secret.txt": "hidden\n"})
    flow = Flow(project, OpenProject(open_project(project)))
    folder = write_suite(tmp_path / "suite", suite=suite, **holdouts)
    stores, now = flow.opened, flow.machine.clock.now()
    register(stores.suites, folder, now=now)
    lenient = make_profile("lenient", ("isolation_unverified",))
    for profile in (lenient, make_profile("strict")):
        stores.profiles.create(profile, by="ann", now=now)
