"""Finds the names of messages that a provider has no place for (3.1).

Refuses, before anything is sent, what a provider has no place for (3.4).

Tells which models can be asked to think harder or less.
"""

from collections.abc import Collection, Sequence

from attractor.llm.catalogue import get_model_info
from attractor.llm.errors import InvalidRequestError
from attractor.llm.messages import ContentPart, Message, Role

# Whom a result is of is said by the call that it answers.
_OF_TOOLS = frozenset({Role.TOOL})


def untold_names(
    messages: Sequence[Message], *, told: Collection[Role] = frozenset()
) -> Sequence[str]:
    """Return what is left out, each once, where only messages of some roles can bear a name."""
    named = [one for one in messages if one.name and one.role not in {*told, *_OF_TOOLS}]
    return list(dict.fromkeys(f"the name {one.name!r} of a message ({one.role})" for one in named))


INSTRUCTIONS = frozenset({Role.SYSTEM, Role.DEVELOPER})
"""Who instructs a model, where a provider does not tell the two apart."""


def check_instructions(messages: Sequence[Message], provider: str) -> None:
    """Refuse instructions that are more than words: no provider would see the rest of them."""
    for message in messages:
        if message.role not in INSTRUCTIONS:
            continue
        for part in message.content:
            if part.text is None:
                raise InvalidRequestError(
                    f"content of kind {part.kind} in a message of the role {message.role}: "
                    "instructions are words alone",
                    provider=provider,
                    hint="give it in a message of the user",
                )


def no_audio(provider: str) -> InvalidRequestError:
    """Return the refusal of a recording, with the name of a provider that takes it."""
    return InvalidRequestError(
        f"{provider} takes no audio",
        provider=provider,
        hint="ask the provider gemini, which does, or write down what is said in it",
    )


def no_such_part(part: ContentPart, role: Role, provider: str) -> InvalidRequestError:
    """Return the refusal of a part that nobody in this role can say."""
    return InvalidRequestError(
        f"{provider} takes no content of kind {part.kind} in a message of the role {role}",
        provider=provider,
        hint="leave it out, or give it in a message of the user",
    )


def may_reason(model: str, provider: str) -> bool:
    """Tell whether a model thinks, as far as is known: one that nobody knows is tried."""
    known = get_model_info(model, provider)
    return known is None or known.supports_reasoning
