"""Finds the names of messages that a provider has no place for (3.1)."""

from collections.abc import Collection, Sequence

from attractor.llm.message import Message, Role

# Whom a result is of is said by the call that it answers.
_OF_TOOLS = frozenset({Role.TOOL})


def untold_names(
    messages: Sequence[Message], *, told: Collection[Role] = frozenset()
) -> Sequence[str]:
    """Return what is left out, each once, where only messages of some roles can bear a name."""
    named = [one for one in messages if one.name and one.role not in {*told, *_OF_TOOLS}]
    return list(dict.fromkeys(f"the name {one.name!r} of a message ({one.role})" for one in named))
