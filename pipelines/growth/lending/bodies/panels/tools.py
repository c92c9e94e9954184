"""The tools, by name."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    return Panel(
        "Tools of the street", 20, sorted(records["tool"], key=lambda one: str(one["name"]))
    )
