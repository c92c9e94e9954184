"""Forecasts the harvest of each block: one unit for two plants."""


def run(records, context):
    """Return one harvest for each block."""
    return {
        "harvest": [
            {
                "id": f"{block['id']}-harvest",
                "block_id": block["id"],
                "sku": block["crop"],
                "qty": block["plant_count"] // 2,
            }
            for block in records["block"]
        ]
    }
