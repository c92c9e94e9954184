"""Lends each tool to the neighbour who asked for it first."""


def run(records, context):
    """Return the loans before, and the new ones."""
    new = {}
    for wish in records["wish"]:
        names = ("id", "tool", "neighbour", "due")
        new.setdefault(wish["tool"], {name: wish[name] for name in names})
    context.note(f"{len(new)} lent.")
    return {"loan": [*records["loan"], *new.values()]}
