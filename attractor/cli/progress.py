"""Tells a person what a run does, a line for each thing worth a line."""

from collections.abc import Callable, Mapping

from attractor.base.events import Event
from attractor.cli.output import show


def print_event(event: Event) -> None:
    """Write the line of an event to standard error, if it has one."""
    line = describe_event(event)
    if line:
        show(line, err=True)


def describe_event(event: Event) -> str:
    """Return an event in words; nothing for one that only the journal needs."""
    time = event.time.astimezone().strftime("%H:%M:%S")
    words = _words(event)
    return f"{time}  {words}" if words else ""


def _words(event: Event) -> str:
    sentence = SENTENCES.get(event.type)
    return sentence(event) if sentence else ""


def _status(event: Event) -> str:
    reason = event.data.get("reason")
    return f"run is {event.data.get('status', '')}{f': {reason}' if reason else ''}"


def _started(event: Event) -> str:
    again = f" (visit {event.visit})" if event.visit and event.visit > 1 else ""
    return f"{event.node}: begins{again}"


def _trial(event: Event) -> str:
    return f"trial: {'satisfied' if event.data.get('satisfied') else 'not satisfied'}"


SENTENCES: Mapping[str, Callable[[Event], str]] = {
    "StageStarted": _started,
    "StageCompleted": lambda event: f"{event.node}: {event.data.get('outcome', '')}",
    "StageFailed": lambda event: f"{event.node}: failed: {event.data.get('error', '')}",
    "StageRetrying": lambda event: f"{event.node}: is tried again",
    "StageParked": lambda event: f"{event.node}: waits for an answer",
    "RunResumed": lambda event: f"resumed at {event.data.get('next_node', '')}",
    "RunStatusChanged": _status,
    "RunBranchWritten": lambda event: f"the stages are commits on {event.data.get('ref', '')}",
    "TrialCompleted": _trial,
    "GateEvaluated": lambda event: f"gate: {'go' if event.data.get('go') else 'no-go'}",
}
