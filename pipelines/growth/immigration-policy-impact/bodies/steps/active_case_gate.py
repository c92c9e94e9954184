"""Lets the impacts on active cases pass."""


def run(records, context):
    """Return the impacts on cases that are not closed."""
    active = {case["id"] for case in records["case"] if case["status"] == "active"}
    return {"impact": [one for one in records["impact"] if one["case_id"] in active]}
