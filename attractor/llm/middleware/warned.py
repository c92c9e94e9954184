"""Adds warnings to answers: what middleware did is never silent."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.llm.response import Response, Warning
from attractor.llm.stream_event import StreamEvent


def warned(response: Response, warnings: Sequence[Warning]) -> Response:
    """Return an answer with more warnings, itself when there are none."""
    return replace(response, warnings=[*response.warnings, *warnings]) if warnings else response


def warned_event(event: StreamEvent, warnings: Sequence[Warning]) -> StreamEvent:
    """Return an event with more warnings, if it is one that has some: the first and the last."""
    if not warnings:
        return event
    if event.start is not None:
        start = replace(event.start, warnings=[*event.start.warnings, *warnings])
        event = replace(event, start=start)
    if event.response is not None:
        event = replace(event, response=warned(event.response, warnings))
    return event
