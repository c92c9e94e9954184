"""Tells a person what a run does, a line for each thing worth a line."""

from collections.abc import Callable, Mapping

from attractor.base.canonical import Json
from attractor.base.events import Event
from attractor.cli.output import show
from attractor.language.wording import visible

MOST_NAMED = 5
"""How many names of a list a line tells; the journal has more."""


def print_event(event: Event) -> None:
    """Write the line of an event to standard error, if it has one."""
    line = describe_event(event)
    if line:
        show(line, err=True)


def describe_event(event: Event) -> str:
    """Return an event in words; nothing for one that only the journal needs."""
    time = event.time.astimezone().strftime("%H:%M:%S")
    words = _words(event)
    if words and event.branch:
        words = f"[{event.branch}] {words}"
    # What agents and commands print stands in some of them: no terminal shall obey it.
    return f"{time}  {visible(words)}" if words else ""


def _words(event: Event) -> str:
    sentence = SENTENCES.get(event.type)
    return sentence(event) if sentence else ""


def _status(event: Event) -> str:
    reason = event.data.get("reason")
    return f"run is {event.data.get('status', '')}{f': {reason}' if reason else ''}"


def _started(event: Event) -> str:
    again = f" (visit {event.visit})" if event.visit and event.visit > 1 else ""
    return f"{event.node}: begins{again}"


def _forked(event: Event) -> str:
    data = event.data
    return f"forked from run {data.get('parent')} before {data.get('node')}@{data.get('visit')}"


def _restarting(event: Event) -> str:
    data = event.data
    return f"begins anew at {data.get('node')}, as run {data.get('run_id')}"


def _restarted(event: Event) -> str:
    data = event.data
    return f"restart {data.get('restart')}, at {data.get('node')}, of run {data.get('parent')}"


def _trial(event: Event) -> str:
    return f"trial: {'satisfied' if event.data.get('satisfied') else 'not satisfied'}"


def _budget(event: Event) -> str:
    data = event.data
    return f"budget {data.get('budget')}: {data.get('spent')} of {data.get('limit')} are used"


def _torn(event: Event) -> str:
    length, offset = event.data.get("length"), event.data.get("offset")
    return f"the journal's last line was torn: {length} bytes from byte {offset} on were dropped"


def _left_out(event: Event) -> str:
    data = event.data
    parts = [
        _named("ignored", data.get("ignored"), data.get("ignored_count")),
        _named("refused", data.get("refused"), data.get("refused_count")),
    ]
    return f"{event.node}: not in the snapshot: {'; '.join(filter(None, parts))}"


def _named(word: str, names: Json, count: Json) -> str:
    """Return the first names of a list in words, and how many more there are."""
    if not isinstance(names, list) or not isinstance(count, int) or not count:
        return ""
    shown = [_name(one) for one in names[:MOST_NAMED]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{word}: {', '.join(shown)}{more}"


def _name(one: Json) -> str:
    match one:
        case {"path": str(path), "why": str(why)}:
            return f"{path} ({why})"
        case _:
            return str(one)


SENTENCES: Mapping[str, Callable[[Event], str]] = {
    "StageStarted": _started,
    "StageCompleted": lambda event: f"{event.node}: {event.data.get('outcome', '')}",
    "StageFailed": lambda event: f"{event.node}: failed: {event.data.get('error', '')}",
    "StageRetrying": lambda event: f"{event.node}: is tried again",
    "ParallelBranchStarted": lambda event: "the branch begins",
    "ParallelBranchCompleted": lambda event: f"the branch ends: {event.data.get('outcome', '')}",
    "StageParked": lambda event: f"{event.node}: waits for an answer",
    "FilesLeftOut": _left_out,
    "RunInterrupted": lambda event: str(event.data.get("reason", "")),
    "RunForked": _forked,
    "RunRestarting": _restarting,
    "RunRestarted": _restarted,
    "RunResumed": lambda event: f"resumed at {event.data.get('next_node', '')}",
    "RunStatusChanged": _status,
    "RunBranchWritten": lambda event: f"the stages are commits on {event.data.get('ref', '')}",
    "BudgetWarning": _budget,
    "TornLineDropped": _torn,
    "TrialCompleted": _trial,
    "GateEvaluated": lambda event: f"gate: {'go' if event.data.get('go') else 'no-go'}",
}
