"""Notes of an answer which model gave it: its thoughts are valid nowhere else (3.5)."""

from dataclasses import replace

from attractor.llm.content import ContentPart
from attractor.llm.response import Response


def said_by(model: str, response: Response) -> Response:
    """Return an answer in which whatever its provider wants back has the model that was asked."""
    message = response.message
    if not any(part.provider_data for part in message.content):
        return response
    content = [_said_by(model, part) for part in message.content]
    return replace(response, message=replace(message, content=content))


def _said_by(model: str, part: ContentPart) -> ContentPart:
    own = part.provider_data
    return part if own is None else replace(part, provider_data=replace(own, model=model))
