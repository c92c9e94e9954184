"""Drafts a letter for each affected client; a person reviews every letter."""


def run(records, context):
    """Return the drafts, all of which wait for a review."""
    cases = {one["id"]: one for one in records["case"]}
    digest = {(one["case_id"], one["policy_id"]): one for one in records["digest"]}
    return {
        "client_draft": [
            _draft(plan, cases[plan["case_id"]], digest[plan["case_id"], plan["policy_id"]])
            for plan in records["action_plan"]
        ]
    }


def _draft(plan, case, entry):
    greeting = f"Dear {case['client']}, {entry['title']} affects your case."
    return {
        "id": f"draft-{plan['case_id']}-{plan['policy_id']}",
        "case_id": plan["case_id"],
        "to": case["client"],
        "subject": entry["title"],
        "text": f"{greeting} Please: {entry['requires']}, by {plan['due']}.",
        "state": "waits for a review",
    }
