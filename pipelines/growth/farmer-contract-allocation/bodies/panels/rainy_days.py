"""Shows the rain by date."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Rainy days", 15, sorted(records["weather"], key=lambda one: one["day"]))
