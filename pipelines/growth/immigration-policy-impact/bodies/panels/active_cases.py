"""Shows the active cases, without the names of clients."""

from app.contract import Panel


def rows(records, context):
    """Return the active cases by id."""
    return Panel(
        "Active cases",
        40,
        [
            {"id": one["id"], "category": one["category"], "worker": one["worker"]}
            for one in sorted(records["case"], key=lambda one: one["id"])
            if one["status"] == "active"
        ],
    )
