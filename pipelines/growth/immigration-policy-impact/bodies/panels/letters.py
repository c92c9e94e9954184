"""Shows the letters that a person reviewed, by case."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Letters", 60, sorted(records["letter"], key=lambda one: (one["case"], one["id"])))
