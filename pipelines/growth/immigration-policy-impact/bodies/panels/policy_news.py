"""Shows the policy updates, the newest first."""

from app.contract import Panel


def rows(records, context):
    """Return the policy updates."""
    found = sorted(records["policy_update"], key=lambda one: one["id"])
    return Panel("Policy news", 20, sorted(found, key=lambda one: one["effective"], reverse=True))
