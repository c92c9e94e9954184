"""The loans, the next one due first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("To bring back", 90, sorted(records["loan"], key=lambda one: str(one["due"])))
