"""Says for each impact what is required, and by when."""

from datetime import date, timedelta


def run(records, context):
    """Return the digest, the nearest due date first."""
    policies = {one["id"]: one for one in records["policy_update"]}
    entries = [_entry(one, policies[one["policy_id"]]) for one in records["impact"]]
    return {"digest": sorted(entries, key=lambda one: (one["due"], one["id"]))}


def _entry(impact, policy):
    due = date.fromisoformat(policy["effective"]) + timedelta(days=policy["days"])
    return {
        "id": f"digest-{impact['id']}",
        "case_id": impact["case_id"],
        "policy_id": impact["policy_id"],
        "title": policy["title"],
        "requires": policy["requires"],
        "due": due.isoformat(),
    }
