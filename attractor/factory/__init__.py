"""Judges and promotes runs: profiles, suites, the gate, decisions, and the ledger of decisions."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.factory.decide import DecisionKind
    from attractor.factory.gate import GateReport, RuleResult
    from attractor.factory.history import HistoryEntry
    from attractor.factory.ledger import LedgerEntry
    from attractor.factory.operations import Factory
    from attractor.factory.promotion import Promotion
    from attractor.factory.review import Review

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
    "DecisionKind": "decide",
    "Factory": "operations",
    "GateReport": "gate",
    "HistoryEntry": "history",
    "LedgerEntry": "ledger",
    "Promotion": "promotion",
    "Review": "review",
    "RuleResult": "gate",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
