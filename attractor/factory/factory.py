"""The actions of an operator on the runs of a project, for commands, servers and programs."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.run_folder.result import RunResult
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.decide import Amendment, Decision, DecisionKind, Operator, Proof
from attractor.factory.decisions.promotion import Promotion
from attractor.factory.decisions.review import Review, review
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateReport
from attractor.factory.history.entries import HistoryEntry, read_history
from attractor.factory.ledger.ledger import LedgerEntry
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.decide import amend_decision, decide_run, waive_scenario
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.promote import promote_run, roll_back_run
from attractor.factory.operations.rebase import rebase_run
from attractor.factory.operator_process import Scope, refuse_in_run
from attractor.pipeline.project.project import Project

RunName = str | Path
"""A run id, a unique prefix of a run id, a run directory, or `latest`."""


@dataclass(frozen=True)
class Factory:
    """Judges, decides and promotes the runs of a project, with the rules of the commands."""

    opened: OpenProject

    @classmethod
    def open(
        cls,
        project: str | Path = ".",
        *,
        environ: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
    ) -> "Factory":
        """Open the project in a folder, with its settings; refuse in a process of a run.

        `flags` override settings, as `--config` does.
        """
        environ = os.environ if environ is None else environ
        refuse_in_run(cls.__name__, environ)
        return cls(open_project(project, environ, flags=flags))

    @property
    def project(self) -> Project:
        """The project, with its settings."""
        return self.opened.project

    def gate(self, run: RunName) -> GateReport:
        """Judge a run: go or no-go, computed from the recorded trials."""
        return gate(ask_gate(self._root(run), self.opened)[1])

    async def review(self, run: RunName) -> Review:
        """Collect the facts for a decision on a run."""
        root = self._root(run)
        self.opened.require_own(root)
        return await review(read_candidate_run(root), Evaluator(self.opened), self.opened.project)

    def decide(
        self,
        run: RunName,
        verdict: DecisionKind | str,
        rationale: str,
        *,
        token: str,
        shown_s: float | None = None,
        answers: Mapping[int, bool] | None = None,
    ) -> LedgerEntry:
        """Approve or reject a run, as the person with a token of the scope `decide`.

        An approval requires that the gate says go. `shown_s` are the seconds for which a page
        showed the facts to the person. `answers` say with which findings the person agrees.
        """
        by = self._operator(token)
        decision = Decision(DecisionKind(verdict), by, rationale, shown_s, answers)
        return decide_run(self._root(run), self.opened, decision)

    def waive(
        self,
        run: RunName,
        scenario: str,
        reason: str,
        *,
        token: str,
        expires_in: timedelta = timedelta(days=7),
    ) -> LedgerEntry:
        """Waive a failed scenario of a run, named by its id or opaque name."""
        by, root = self._operator(token), self._root(run)
        return waive_scenario(
            root, self.opened, scenario, by=by, reason=reason, expires_in=expires_in
        )

    def amend(
        self,
        run: RunName,
        *,
        token: str,
        rationale: str = "",
        note: str = "",
        defect: str = "",
        repaired_by: str = "",
        no_defect: str = "",
    ) -> LedgerEntry:
        """Add words to the decision on a run, or a mark to an approval; the verdict stays."""
        amendment = Amendment(rationale, note, defect, repaired_by, no_defect)
        by, root = self._operator(token), self._root(run)
        return amend_decision(root, self.opened, amendment, by=by)

    async def promote(self, run: RunName, *, by: str, to: str = "main") -> Promotion:
        """Move a Git branch to the result of an approved run."""
        return await promote_run(self._root(run), self.opened, branch=to, by=by)

    async def rebase(self, run: RunName, *, by: str, onto: str = "main") -> RunResult:
        """Merge the result of a run onto a branch that moved, and evaluate the merged tree."""
        return await rebase_run(self._root(run), self.opened, branch=onto, by=by)

    async def roll_back(
        self, run: RunName, reason: str, *, by: str, branch: str = "main"
    ) -> Promotion:
        """Revert the promotion of a run by a new commit."""
        root = self._root(run)
        return await roll_back_run(root, self.opened, branch=branch, by=by, reason=reason)

    def history(
        self, *, run: RunName = "", pipeline: str = "", since: datetime | None = None
    ) -> list[HistoryEntry]:
        """Return decisions, waivers, amendments, promotions and roll-backs, oldest first."""
        evaluator = Evaluator(self.opened)
        run_id = read_candidate_run(self._root(run)).run_id if run else ""
        project_id = evaluator.opened.identity.project_id()
        return read_history(
            evaluator.ledger, project_id, run_id=run_id, pipeline=pipeline, since=since
        )

    def _operator(self, token: str) -> Operator:
        """Return the person that a token of the scope `decide` identifies."""
        tokens = TokenStore(self.opened.project.machine.state_dir)
        name = tokens.holder(token, Scope.DECIDE, self.opened.identity.project_id)
        return Operator(name, Proof.TOKEN)

    def _root(self, run: RunName) -> Path:
        return self.opened.find(str(run))
