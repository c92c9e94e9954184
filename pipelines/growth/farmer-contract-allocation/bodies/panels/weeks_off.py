"""Shows the weeks that buyers skip, the last one first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Weeks off", 25, sorted(records["skip"], key=_order, reverse=True))


def _order(one):
    return one["week_of"], one["contract"], one["id"]
