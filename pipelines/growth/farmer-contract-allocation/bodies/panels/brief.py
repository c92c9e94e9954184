"""Shows the reservations, Tuesday first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    found = sorted(records["reservation"], key=_order)
    return Panel("Reserved this week", 60, found)


def _order(one):
    return one["delivery_day"] != "Tuesday", one["id"]
