"""Makes one invoice for each buyer with a reservation."""


def run(records, context):
    """Return the invoices."""
    buyers = {}
    for reservation in records["reservation"]:
        buyers.setdefault(reservation["buyer"], []).append(reservation)
    return {
        "invoice": [
            {
                "id": f"invoice-{buyer.lower().replace(' ', '-')}",
                "buyer": buyer,
                "qty": sum(one["qty"] for one in buyers[buyer]),
                "amount": round(sum(one["qty"] * one["price"] for one in buyers[buyer]), 2),
            }
            for buyer in sorted(buyers)
        ]
    }
