"""Plans the next action of the worker of each affected case."""


def run(records, context):
    """Return one action plan for each entry of the digest."""
    workers = {one["id"]: one["worker"] for one in records["case"]}
    return {
        "action_plan": [
            {
                "id": f"plan-{one['case_id']}-{one['policy_id']}",
                "case_id": one["case_id"],
                "policy_id": one["policy_id"],
                "next_action": f"{workers[one['case_id']]}: {one['requires']}",
                "due": one["due"],
            }
            for one in records["digest"]
        ]
    }
