"""Shows what to pick, by day and buyer."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    found = sorted(records["packlist"], key=_order)
    return Panel("To pick and pack", 70, found)


def _order(one):
    return one["delivery_day"], one["buyer"], one["id"]
