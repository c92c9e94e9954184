"""Lets a wish pass if its tool is not lent."""


def run(records, context):
    """Return the wishes for tools that are free."""
    lent = {one["tool"] for one in records["loan"]}
    return {"wish": [one for one in records["wish"] if one["tool"] not in lent]}
