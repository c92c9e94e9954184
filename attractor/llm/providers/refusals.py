"""Refuses, before anything is sent, what a provider has no place for (3.4)."""

from collections.abc import Sequence

from attractor.llm.content import ContentPart
from attractor.llm.errors import InvalidRequestError
from attractor.llm.message import Message, Role

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
