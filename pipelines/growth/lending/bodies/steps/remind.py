"""Reminds neighbours by e-mail, on the day before a tool is due."""

from datetime import timedelta

from app.contract import ServiceError


def run(records, context):
    """Send a letter for each loan that is due tomorrow; one that fails stops no other one."""
    mails = {one["name"]: one["mail"] for one in records["neighbour"] if one["mail"]}
    tomorrow = str(context.today + timedelta(days=1))
    sent = missed = 0
    for loan in records["loan"]:
        if loan["due"] == tomorrow and loan["neighbour"] in mails:
            try:
                context.call("mail", "send", _letter(mails[loan["neighbour"]], loan))
                sent += 1
            except ServiceError:
                missed += 1
    unreached = f", {missed} could not be reached" if missed else ""
    context.note(f"{sent} reminded{unreached}.")
    return {}


def _letter(address, loan):
    body = f"Hello {loan['neighbour']},\n\nplease bring this back tomorrow: {loan['tool']}.\n"
    return {"to": [address], "subject": f"Please bring back: {loan['tool']}", "body": body}
