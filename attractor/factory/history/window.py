"""Figures over the last decided runs of a project, for the rule `process` of the gate."""

from collections.abc import Sequence

from attractor.factory.gate_records import WindowFigures
from attractor.factory.history.records import marked_defects
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.project import created_runs


def window_figures(entries: Sequence[LedgerEntry], project: str, runs: int) -> WindowFigures:
    """Return the figures over the last decided runs of a project, from verified lines."""
    pipelines = {
        run_id: str(one.data["pipeline"]).partition("@")[0]
        for run_id, one in created_runs(entries, project).items()
    }
    decided: dict[str, LedgerEntry] = {}
    about: dict[str, list[str]] = {}
    marked = marked_defects(entries)
    suites = {
        entry.run_id: entry.data["suite_seal"]
        for entry in entries
        if entry.kind == LineKind.EVALUATED
    }
    burned = {str(entry.data["content"]) for entry in entries if entry.kind == LineKind.BURNED}
    first: set[str] = set()
    has_failed: set[str] = set()
    for one in entries:
        if one.run_id not in pipelines:
            continue
        pipeline = pipelines[one.run_id]
        about.setdefault(one.run_id, []).append(one.kind)
        if one.kind == LineKind.DECIDED:
            decided[one.run_id] = one
        if _is_approval(one):
            first |= {one.run_id} - ({one.run_id} if pipeline in has_failed else set())
            has_failed.discard(pipeline)
        elif one.kind == LineKind.DECIDED or (
            one.kind == LineKind.ENDED and one.data["status"] == "failed"
        ):
            has_failed.add(pipeline)
    window = list(decided)[-runs:]
    approved = [one for one in window if _is_approval(decided[one])]
    return WindowFigures(
        runs=len(window),
        pipelines=len({pipelines[one] for one in window}),
        approved=len(approved),
        first_try=len(first & set(window)),
        retries=sum(_retries(decided[one]) for one in window),
        promoted=sum(LineKind.PROMOTED in about[one] for one in window),
        rolled_back=sum(LineKind.ROLLED_BACK in about[one] for one in window),
        false_go=sum(one in marked for one in approved),
        # No run is approved after its suite was burned.
        incidents=sum(suites.get(one) in burned for one in approved),
    )


def _is_approval(entry: LedgerEntry) -> bool:
    return entry.kind == LineKind.DECIDED and entry.data["verdict"] == "approved"


def _retries(decision: LedgerEntry) -> int:
    retries = decision.data.get("retries")
    return retries if isinstance(retries, int) else 0
