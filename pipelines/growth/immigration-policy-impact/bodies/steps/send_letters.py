"""Sends each letter that a person reviewed, once.

A letter that the server did not take is noted as well: a person deletes the note to try it again.
"""

from app.contract import ServiceError


def run(records, context):
    """Return the notes before, and one for each new letter."""
    mails = {one["id"]: one["mail"] for one in records["case"] if one["mail"]}
    known = {one["letter"] for one in records["sent_letter"]}
    new = [
        {
            "id": f"sent-{one['id']}",
            "letter": one["id"],
            "day": str(context.today),
            "state": _send(one, mails[one["case"]], context),
        }
        for one in records["letter"]
        if one["id"] not in known and one["case"] in mails
    ]
    context.note(f"{sum(one['state'] == 'sent' for one in new)} of {len(new)} sent.")
    return {"sent_letter": [*records["sent_letter"], *new]}


def _send(letter, address, context):
    content = {"to": [address], "subject": letter["subject"], "body": letter["text"]}
    try:
        context.call("mail", "send", content)
    except ServiceError:
        return "not sent"
    return "sent"
