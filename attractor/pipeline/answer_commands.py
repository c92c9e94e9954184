"""The command that answers a question, for whoever is to type it."""

import shlex

from attractor.language.source.text import visible


def answer_command(reference: str, said: str, *, question: str = "") -> str:
    """Return what a person types to say something to a run; the question is named where given."""
    which = ["--question", question] if question else []
    # What begins with a dash is no option.
    words = ["--", said] if said.startswith("-") else [said] if said else []
    return visible(f"attractor answer {reference} {shlex.join([*which, *words])}").rstrip()
