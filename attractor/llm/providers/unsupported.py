"""Errors and message texts about parts of a request that a provider does not support."""

from collections.abc import Collection, Sequence

from attractor.llm.catalogue import get_model_info
from attractor.llm.errors import InvalidRequestError
from attractor.llm.messages import ContentPart, Message, Role

# The call of a tool result has the name.
_TOOL_ROLES = frozenset({Role.TOOL})


def unsent_names(
    messages: Sequence[Message], *, sent: Collection[Role] = frozenset()
) -> Sequence[str]:
    """Return the names of messages that are not sent; `sent` are the roles with names."""
    named = [
        message
        for message in messages
        if message.name and message.role not in {*sent, *_TOOL_ROLES}
    ]
    return list(
        dict.fromkeys(
            f"the name {message.name!r} of a message ({message.role})" for message in named
        )
    )


INSTRUCTIONS = frozenset({Role.SYSTEM, Role.DEVELOPER})
"""Roles with instructions."""


def check_instructions(messages: Sequence[Message], provider: str) -> None:
    """Raise an InvalidRequestError for instructions with parts other than text."""
    for message in messages:
        if message.role not in INSTRUCTIONS:
            continue
        for part in message.content:
            if part.text is None:
                raise InvalidRequestError(
                    f"unsupported content of kind {part.kind} in a message of role {message.role}: "
                    "instructions are text only",
                    provider=provider,
                    hint="put it in a message of the user",
                )


def unsupported_audio(provider: str) -> InvalidRequestError:
    """Return the error for an audio recording."""
    return InvalidRequestError(
        f"{provider} does not support audio",
        provider=provider,
        hint="use the provider gemini, or send a transcript",
    )


def unsupported_part(part: ContentPart, role: Role, provider: str) -> InvalidRequestError:
    """Return the error for a part that is not allowed in a role."""
    return InvalidRequestError(
        f"{provider} does not support content of kind {part.kind} in a message of role {role}",
        provider=provider,
        hint="remove it, or put it in a message of the user",
    )


def may_support_reasoning(model: str, provider: str) -> bool:
    """Return whether a model may support reasoning: unknown models may."""
    known = get_model_info(model, provider)
    return known is None or known.supports_reasoning
