"""Finds a stored thing by its id, or by a unique prefix of its id."""

from collections.abc import Sequence

from attractor.base.errors import UsageError, suggest


def find_id(reference: str, known: Sequence[str], noun: str, unknown: type[UsageError]) -> str:
    """Return the id that a reference means, or raise the error for unknown ids."""
    if reference in known:
        return reference
    found = [one for one in known if reference and one.startswith(reference)]
    if len(found) == 1:
        return found[0]
    if found:
        hint = f"write more of the id: {', '.join(found[:5])}"
        raise unknown(f"{noun} {reference!r} is ambiguous", hint=hint)
    near = suggest(reference, known)
    hint = f"did you mean {near}?" if near else unknown.hint
    raise unknown(f"unknown {noun} {reference!r}", hint=hint)
