"""Shows on which day each action is due."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel("Due dates", 90, sorted(records["action_plan"], key=_order))


def _order(one):
    return one["due"] or "", one["id"]
