"""Lists what to pick and pack for each reservation."""


def run(records, context):
    """Return a packlist for each reservation."""
    return {
        "packlist": [
            {
                "id": f"pack-{one['id']}",
                "buyer": one["buyer"],
                "delivery_day": one["delivery_day"],
                "block_id": one["block_id"],
                "sku": one["sku"],
                "qty": one["qty"],
            }
            for one in records["reservation"]
        ]
    }
