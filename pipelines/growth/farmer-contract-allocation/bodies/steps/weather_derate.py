"""Lowers the forecast of each crop by the worst weather of the last seven days."""

from datetime import date, timedelta


def run(records, context):
    """Return the harvests that are left."""
    losses = {}
    for one in records["weather"]:
        if context.today - timedelta(days=7) < date.fromisoformat(one["day"]) <= context.today:
            losses[one["crop"]] = max(losses.get(one["crop"], 0), min(one["loss_percent"], 100))
    return {"harvest": [_derated(one, losses.get(one["sku"], 0)) for one in records["harvest"]]}


def _derated(harvest, loss):
    return {**harvest, "qty": harvest["qty"] * (100 - loss) // 100}
