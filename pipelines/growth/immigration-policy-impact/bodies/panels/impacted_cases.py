"""Shows the cases that a policy update affects, the nearest due date first, above all else."""

from app.contract import Panel


def rows(records, context):
    """Return one row for each action plan."""
    workers = {one["id"]: one["worker"] for one in records["case"]}
    found = [
        {
            "case_id": one["case_id"],
            "worker": workers[one["case_id"]],
            "next_action": one["next_action"],
            "due": one["due"],
        }
        for one in records["action_plan"]
    ]
    return Panel("Impacted cases", 100, sorted(found, key=lambda one: (one["due"], one["case_id"])))
