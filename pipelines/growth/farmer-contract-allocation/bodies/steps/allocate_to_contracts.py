"""Reserves harvest for contracts: Tuesday first, then by priority."""


def run(records, context):
    """Return the reservations, and an alert for each contract that gets too little."""
    left = {one["id"]: one["qty"] for one in records["harvest"]}
    reservations, alerts = [], []
    for contract in sorted(records["contract"], key=_turn):
        missing = contract["qty_per_week"]
        for harvest in records["harvest"]:
            qty = min(missing, left[harvest["id"]])
            if harvest["sku"] != contract["sku"] or qty <= 0:
                continue
            left[harvest["id"]] -= qty
            missing -= qty
            reservations.append(_reservation(contract, harvest, qty))
        if missing > 0:
            alerts.append(_alert(contract, missing))
    return {"reservation": reservations, "shortfall_alert": alerts}


def _turn(contract):
    return contract["delivery_day"] != "Tuesday", contract["priority"], contract["id"]


def _reservation(contract, harvest, qty):
    return {
        "id": f"{contract['id']}-{harvest['block_id']}",
        "contract_id": contract["id"],
        "buyer": contract["buyer"],
        "block_id": harvest["block_id"],
        "sku": contract["sku"],
        "qty": qty,
        "delivery_day": contract["delivery_day"],
        "price": contract["price_floor"],
    }


def _alert(contract, missing):
    return {
        "id": f"{contract['id']}-shortfall",
        "contract_id": contract["id"],
        "buyer": contract["buyer"],
        "sku": contract["sku"],
        "missing": missing,
        "delivery_day": contract["delivery_day"],
    }
