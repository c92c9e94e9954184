"""Shows what each offer pays above the floor of the contracts for the same produce."""

from app.contract import Panel


def rows(records, context):
    """Return one row for each offer, the largest spread first."""
    floors = {}
    for one in records["contract"]:
        floors[one["sku"]] = max(floors.get(one["sku"], 0), one["price_floor"])
    sold = {one["offer_id"] for one in records["surplus_sale"]}
    found = [
        {
            "id": one["id"],
            "buyer": one["buyer"],
            "sku": one["sku"],
            "spread": round(one["price"] - floors.get(one["sku"], 0), 2),
            "sold": one["id"] in sold,
        }
        for one in records["offer"]
    ]
    return Panel("Price spread", 30, sorted(found, key=lambda one: (-one["spread"], one["id"])))
