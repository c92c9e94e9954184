"""Plans one delivery for each stop, with the number of its packlists."""


def run(records, context):
    """Return the deliveries."""
    return {
        "delivery": [
            {
                "id": f"delivery-{stop['id']}",
                "buyer": stop["buyer"],
                "delivery_day": stop["delivery_day"],
                "number": str(stop["number"]),
                "packlists": str(sum(_is_for(stop, one) for one in records["packlist"])),
            }
            for stop in records["stop"]
        ]
    }


def _is_for(stop, packlist):
    return all(stop[key] == packlist[key] for key in ("buyer", "delivery_day"))
