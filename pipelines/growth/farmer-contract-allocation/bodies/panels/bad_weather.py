"""Shows the weather that costs harvest, the last day first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Bad weather", 35, sorted(records["weather"], key=_order, reverse=True))


def _order(one):
    return one["day"], one["crop"], one["id"]
