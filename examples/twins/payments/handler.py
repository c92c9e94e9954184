"""Behaviour of the payment service that a table cannot express."""

import json
from typing import Any

from attractor.twins import Draw, ServiceRequest, ServiceResponse


def refund(request: ServiceRequest, state: dict[str, Any], draw: Draw) -> object:
    """Refund a payment, but no more than its amount."""
    charge = state["charges"].get(draw.from_path["id"])
    if charge is None:
        return refused(404, "not_found", "no such charge")
    body = request.body if isinstance(request.body, dict) else {}
    left = charge["amount"] - charge["refunded"]
    amount = body.get("amount", left)
    if not isinstance(amount, int) or not 0 < amount <= left:
        return refused(400, "amount_too_large", f"at most {left} can be given back")
    charge["refunded"] += amount
    made = {"id": f"re_{draw.counter('refunds')}", "charge": charge["id"], "amount": amount}
    state["refunds"][made["id"]] = made
    return made


def refused(status: int, kind: str, message: str) -> ServiceResponse:
    """Refuse, in the form of the service."""
    content = json.dumps({"error": {"type": kind, "message": message}}).encode()
    return ServiceResponse(status, {"content-type": "application/json"}, content)
