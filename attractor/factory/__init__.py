"""Judges and promotes runs: profiles, suites, the gate, decisions, and the ledger of decisions."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.factory.decisions.decide import DecisionKind
    from attractor.factory.decisions.promotion import Promotion
    from attractor.factory.decisions.review import Review
    from attractor.factory.factory import Factory
    from attractor.factory.gate_records import GateReport, RuleResult
    from attractor.factory.history.entries import HistoryEntry
    from attractor.factory.ledger.ledger import LedgerEntry

__all__ = [
    "DecisionKind",
    "Factory",
    "GateReport",
    "HistoryEntry",
    "LedgerEntry",
    "Promotion",
    "Review",
    "RuleResult",
]

_HOMES = {
    "DecisionKind": "decisions.decide",
    "Factory": "factory",
    "GateReport": "gate_records",
    "HistoryEntry": "history.entries",
    "LedgerEntry": "ledger.ledger",
    "Promotion": "decisions.promotion",
    "Review": "decisions.review",
    "RuleResult": "gate_records",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
