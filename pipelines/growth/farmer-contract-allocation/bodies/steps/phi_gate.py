"""Lets a harvest pass if the waiting time after each spraying of its block is over."""

from datetime import date, timedelta


def run(records, context):
    """Return the harvests of blocks that are not locked."""
    locked = {
        event["block_id"]
        for event in records["spray_event"]
        if date.fromisoformat(event["date"]) + timedelta(days=event["phi_days"]) > context.today
    }
    return {"harvest": [one for one in records["harvest"] if one["block_id"] not in locked]}
