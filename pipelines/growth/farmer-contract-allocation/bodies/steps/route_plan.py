"""Numbers the stops of each delivery day by the name of the buyer."""


def run(records, context):
    """Return the stops."""
    days = {}
    for packlist in records["packlist"]:
        days.setdefault(packlist["delivery_day"], set()).add(packlist["buyer"])
    return {
        "stop": [
            {
                "id": f"{day}-{number}".lower(),
                "buyer": buyer,
                "delivery_day": day,
                "number": number,
            }
            for day in sorted(days)
            for number, buyer in enumerate(sorted(days[day]), 1)
        ]
    }
