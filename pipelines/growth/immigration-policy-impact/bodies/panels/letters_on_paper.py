"""Shows the letters that arrived on paper, the last one first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Letters on paper", 30, sorted(records["letter"], key=_order, reverse=True))


def _order(one):
    return one["arrived"], one["id"]
