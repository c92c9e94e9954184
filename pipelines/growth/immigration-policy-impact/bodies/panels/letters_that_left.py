"""Shows the letters that left, and those that did not, the last day first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Letters that left", 50, sorted(records["sent_letter"], key=_order, reverse=True))


def _order(one):
    return one["day"] or "", one["id"]
