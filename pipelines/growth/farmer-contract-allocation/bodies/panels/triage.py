"""Shows contracts that get too little, Tuesday first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    found = sorted(records["shortfall_alert"], key=_order)
    return Panel("Shortfalls to settle", 90, found)


def _order(one):
    return one["delivery_day"] != "Tuesday", one["id"]
