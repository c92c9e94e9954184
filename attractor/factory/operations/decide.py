"""Decides on a run as a person: approves, rejects, waives a failed scenario, or adds words."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from attractor.factory.decisions.decide import (
    Amendment,
    Decision,
    DecisionKind,
    Operator,
    amend,
    decide,
    require_decidable,
    waive,
)
from attractor.factory.decisions.lock import lock_run
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.ledger.ledger import LedgerEntry
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.race import end_losers
from attractor.workspaces.git.repository import open_repository


def decide_run(root: Path, opened: OpenProject, decision: Decision) -> LedgerEntry:
    """Approve or reject a run; an approval requires that the gate says go.

    The other attempts of an approved attempt's race are canceled, and their trees freed.
    """
    opened.refuse_in_run("a decision")
    with lock_run(root, opened) as run:
        entry = decide(run, Evaluator(opened), decision)
    if "race" in entry.data:
        asyncio.run(end_losers(entry, opened))
    return entry


def require_decision(
    root: Path,
    opened: OpenProject,
    verdict: DecisionKind,
    rationale: str,
    *,
    by: str,
    answers: Mapping[int, bool] | None = None,
) -> None:
    """Refuse a decision on a run that could not be recorded, before the person is proved."""
    opened.refuse_in_run("a decision")
    with lock_run(root, opened) as run:
        require_decidable(run, Evaluator(opened), verdict, rationale, by=by, answers=answers)


def waive_scenario(
    root: Path,
    opened: OpenProject,
    scenario: str,
    *,
    by: Operator,
    reason: str,
    expires_in: timedelta,
) -> LedgerEntry:
    """Waive a failed scenario of a run, named by its id or opaque name."""
    opened.refuse_in_run("a waiver")
    with lock_run(root, opened) as run:
        return waive(run, Evaluator(opened), scenario, by=by, reason=reason, expires_in=expires_in)


def amend_decision(
    root: Path, opened: OpenProject, amendment: Amendment, *, by: Operator
) -> LedgerEntry:
    """Add words to the decision on a run; the verdict stays."""
    opened.refuse_in_run("an amendment")
    if name := amendment.repaired_by:
        amendment = replace(amendment, repaired_by=asyncio.run(_commit_of(name, opened)))
    with lock_run(root, opened) as run:
        return amend(run, Evaluator(opened), amendment, by=by)


async def _commit_of(name: str, opened: OpenProject) -> str:
    project = opened.project
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    return await repository.commit(name)
