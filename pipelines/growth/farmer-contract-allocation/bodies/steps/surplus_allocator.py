"""Sells harvest that no contract needs, to the best price first."""


def run(records, context):
    """Return the sales of the surplus."""
    left = {one["block_id"]: one["qty"] for one in records["harvest"]}
    for reservation in records["reservation"]:
        if reservation["block_id"] in left:
            left[reservation["block_id"]] -= reservation["qty"]
    sales = []
    for offer in sorted(records["offer"], key=lambda one: (-one["price"], one["id"])):
        wanted = offer["qty"]
        for harvest in records["harvest"]:
            qty = min(wanted, left[harvest["block_id"]])
            if harvest["sku"] != offer["sku"] or qty <= 0:
                continue
            left[harvest["block_id"]] -= qty
            wanted -= qty
            sales.append(
                {
                    "id": f"{offer['id']}-{harvest['block_id']}",
                    "offer_id": offer["id"],
                    "buyer": offer["buyer"],
                    "block_id": harvest["block_id"],
                    "sku": offer["sku"],
                    "qty": qty,
                    "price": offer["price"],
                }
            )
    return {"surplus_sale": sales}
