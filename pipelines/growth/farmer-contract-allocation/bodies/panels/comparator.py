"""Shows the sales of the surplus, the best price first."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    found = sorted(records["surplus_sale"], key=lambda one: (-one["price"], one["id"]))
    return Panel("Surplus by price", 50, found)
