"""Lets a harvest pass if the waiting time after the last spraying of its block is over.

The fault: an earlier spraying of the same block can have a longer waiting time.
"""

from datetime import date, timedelta


def run(records, context):
    """Return the harvests of blocks whose last spraying is long enough ago."""
    last = {}
    for event in sorted(records["spray_event"], key=lambda one: one["date"]):
        last[event["block_id"]] = event
    locked = {
        block
        for block, event in last.items()
        if date.fromisoformat(event["date"]) + timedelta(days=event["phi_days"]) > context.today
    }
    return {"harvest": [one for one in records["harvest"] if one["block_id"] not in locked]}
