"""Shows the invoices by buyer."""

from app.contract import Panel


def rows(records, context):
    """Return the records in order."""
    found = sorted(records["invoice"], key=lambda one: one["buyer"])
    return Panel("Invoices to send", 40, found)
