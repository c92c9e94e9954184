"""Lets a wish pass if the tool comes back within two weeks."""

from datetime import date, timedelta


def run(records, context):
    """Return the wishes that are due in time."""
    last = context.today + timedelta(days=14)
    return {"wish": [one for one in records["wish"] if _is_due(one, last)]}


def _is_due(wish, last):
    return bool(wish["due"]) and date.fromisoformat(wish["due"]) <= last
