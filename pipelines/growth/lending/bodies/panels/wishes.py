"""What neighbours ask for, by date."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Wishes", 10, sorted(records["wish"], key=lambda one: str(one["due"])))
