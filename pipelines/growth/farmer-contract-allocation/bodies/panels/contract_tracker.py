"""Shows how much of each contract is reserved, Tuesday first."""

from app.contract import Panel


def rows(records, context):
    """Return one row for each contract."""
    reserved = {}
    for one in records["reservation"]:
        reserved[one["contract_id"]] = reserved.get(one["contract_id"], 0) + one["qty"]
    alerts = {one["contract_id"] for one in records["shortfall_alert"]}
    contracts = sorted(records["contract"], key=_order)
    return Panel(
        "Contracts",
        80,
        [
            {
                "id": one["id"],
                "buyer": one["buyer"],
                "delivery_day": one["delivery_day"],
                "wanted": one["qty_per_week"],
                "reserved": reserved.get(one["id"], 0),
                "alert": one["id"] in alerts,
            }
            for one in contracts
        ],
    )


def _order(one):
    return one["delivery_day"] != "Tuesday", one["priority"], one["id"]
