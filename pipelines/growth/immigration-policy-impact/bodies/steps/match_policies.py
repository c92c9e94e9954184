"""Finds the cases in the category of each policy update."""


def run(records, context):
    """Return one impact for each case and policy update that meet."""
    return {
        "impact": [
            {
                "id": f"{case['id']}-{policy['id']}",
                "case_id": case["id"],
                "policy_id": policy["id"],
                "category": case["category"],
            }
            for case in records["case"]
            for policy in records["policy_update"]
            if case["category"] == policy["category"]
        ]
    }
