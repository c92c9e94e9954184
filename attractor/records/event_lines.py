"""Describes events of a run for people, one line each."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from attractor.base.call_text import describe_call
from attractor.base.durations import describe_duration
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.questions.question import describe_recorded_branches
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.records.summary import NOT_JUDGED

LONGEST_WORDS = 200
"""The maximum length of a quoted message."""

MOST_NAMED = 5
"""Maximum number of names in a line; the journal contains all names."""


def describe_event(event: Event) -> str:
    """Return an event as one line, or an empty text for an internal event."""
    return _line(event, SENTENCES)


def describe_logged(event: Event) -> str:
    """Return an event as one line, also the words and the tool calls of agents."""
    return _line(event, {**SENTENCES, **_OF_AGENTS})


def describe_without_time(event: Event) -> str:
    """Return an event in words, as `describe_logged`, for a list with a column for the time."""
    return _words(event, {**SENTENCES, **_OF_AGENTS})


def _line(event: Event, sentences: Mapping[str, Callable[[Event], str]]) -> str:
    words = _words(event, sentences)
    return f"{event.time.astimezone().strftime('%H:%M:%S')}  {words}" if words else ""


def _words(event: Event, sentences: Mapping[str, Callable[[Event], str]]) -> str:
    sentence = sentences.get(event.type)
    words = sentence(event) if sentence else ""
    if words and event.branch:
        words = f"[{event.branch}] {words}"
    # Output of agents and commands may contain control characters.
    return visible(words)


def _status(event: Event) -> str:
    reason, status = event.data.get("reason"), event.data.get("status", "")
    # A run may wait for its evaluation: this line does not say that one begins.
    what = "stages ended" if status == "evaluating" else f"run is {status}"
    return f"{what}: {reason}" if reason else what


def _started(event: Event) -> str:
    again = f" (visit {event.visit})" if event.visit and event.visit > 1 else ""
    return f"{event.node}: started{again}"


def _completed(event: Event) -> str:
    assumed = " (assumed, because nothing was reported)" if event.data.get("assumed") else ""
    return f"{event.node}: {event.data.get('outcome', '')}{assumed}"


def _forked(event: Event) -> str:
    data = event.data
    return f"forked from run {data.get('parent')} before {data.get('node')}@{data.get('visit')}"


def _restarting(event: Event) -> str:
    data = event.data
    return f"restarting at {data.get('node')} as run {data.get('run_id')}"


def _restarted(event: Event) -> str:
    data = event.data
    return f"restart {data.get('restart')} at {data.get('node')} of run {data.get('parent')}"


def _ordered(event: Event) -> str:
    """Describe an order, and whether the order was accepted."""
    data = event.data
    who = f" by {data.get('by')}" if data.get("by") else ""
    why = f": {data.get('why')}" if data.get("why") else ""
    what = f"{data.get('action') or 'an order'}{_about(data)}{who}"
    return f"{what}{why}" if data.get("is_accepted") else f"{what} refused{why}"


def _about(data: Mapping[str, Json]) -> str:
    """Describe the target and the text of an order."""
    text, to = str(data.get("value") or ""), data.get("question")
    if data.get("action") == "steer":
        words = f'"{shorten(text, LONGEST_WORDS)}"' if text else ""
        return f" {to}: {words}" if to else f" {words}".rstrip()
    return f" {to}: {text}" if to else ""


def _parked(event: Event) -> str:
    """Describe which node waits for an answer, and for which item."""
    where = "; ".join(describe_recorded_branches(event.data.get("question")))
    return f"{event.node}: waits for an answer{f' ({where})' if where else ''}"


def _trial(event: Event) -> str:
    verdict = "satisfied" if event.data.get("satisfied") else "not satisfied"
    match event.data.get("progress"):
        case {"finished": int(finished), "trials": int(trials), "seconds_left": int(left)}:
            rest = f", about {describe_duration(timedelta(seconds=left))} left" if left else ""
            return f"trial {finished} of {trials}: {verdict}{rest}"
        case _:
            return f"trial: {verdict}"


def _trial_trouble(event: Event) -> str:
    reason = f": {event.data['reason']}" if "reason" in event.data else ""
    return f"trial: trouble (culprit: {event.data.get('culprit', 'unknown')}), not a result{reason}"


def _budget(event: Event) -> str:
    data = event.data
    return f"budget {data.get('budget')}: {data.get('spent')} of {data.get('limit')} used"


def _torn(event: Event) -> str:
    length, offset = event.data.get("length"), event.data.get("offset")
    return f"removed an incomplete last line of the journal: {length} bytes at offset {offset}"


def _left_out(event: Event) -> str:
    data = event.data
    parts = [
        _named("ignored", data.get("ignored"), data.get("ignored_count")),
        _named("refused", data.get("refused"), data.get("refused_count")),
    ]
    return f"{event.node}: not in the snapshot: {'; '.join(filter(None, parts))}"


def _notified(event: Event) -> str:
    kind = str(event.data.get("notice", "")).partition(":")[0]
    return f"{event.node}: notification" if event.node else f"notification of {kind}"


def _by_messenger(event: Event) -> str:
    return f" by {event.data.get('messenger')}"


def _not_notified(event: Event) -> str:
    return f"{_notified(event)} failed{_by_messenger(event)}: {event.data.get('error')}"


def _ended(event: Event) -> str:
    data = event.data
    title = "killed processes that the previous process of the run had left"
    return _named(title, data.get("processes"), data.get("count"))


def _patched(event: Event) -> str:
    lack = ", without the values of secrets" if event.data.get("redacted") else ""
    return f"all changes are in {event.data.get('path', '')}{lack}"


def _set_aside(event: Event) -> str:
    """Describe paths removed from a workspace; in the project folder, also how to restore them."""
    data = event.data
    count, command = data.get("count"), data.get("command")
    paths = "1 path" if count == 1 else f"{count} paths"
    if not command:
        named = _named(f"{paths} of an unfinished stage moved to a patch", data.get("paths"), count)
        return f"{named} ({data.get('patch')})"
    named = _named(
        f"{paths} of the project, changed later, moved to a patch", data.get("paths"), count
    )
    return f"{named}; restore with: {command}"


def _named(word: str, names: Json, count: Json) -> str:
    """Return the first names of a list, and the number of the remaining names."""
    if not isinstance(names, list) or not isinstance(count, int) or not count:
        return ""
    shown = [_name(one) for one in names[:MOST_NAMED]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{word}: {', '.join(shown)}{more}"


def _name(one: Json) -> str:
    match one:
        case {"path": str(path), "why": str(why)}:
            return f"{path} ({why})"
        case {"name": str(name), "pid": int(number)}:
            return f"{name} ({number})"
        case _:
            return str(one)


ALWAYS_PRINTED = frozenset({"LeftRunningEnded", "EditsSetAside", "FidelityDegraded"})
"""Events that are also printed above the live display."""


def _degraded(event: Event) -> str:
    reason = event.data.get("reason")
    return f"{event.node}: a summary replaces the earlier conversation: {reason}"


def _booted(event: Event) -> str:
    """Describe a finished setup command; other boot steps are not reported."""
    if event.data.get("step") != "setup":
        return ""
    code = event.data.get("exit_code")
    ended = "cached result" if code is None else f"exit status {code}"
    return f"setup {event.data.get('command', '')}: {ended} ({event.data.get('seconds', 0)} s)"


def _said(event: Event) -> str:
    text = " ".join(str(event.data.get("text") or "").split())
    return f'{event.node}: "{shorten(text, LONGEST_WORDS)}"' if text else ""


def _called(event: Event) -> str:
    """Describe a tool call in one line."""
    call = describe_call(str(event.data.get("tool_name")), event.data.get("arguments"))
    return f"{event.node}: {shorten(call[0], LONGEST_WORDS)}"


def _call_failed(event: Event) -> str:
    error = event.data.get("error")
    words = " ".join(str(error or "").split())
    name = event.data.get("tool_name")
    return f"{event.node}: {name} failed: {shorten(words, LONGEST_WORDS)}" if words else ""


def _role(event: Event) -> str:
    return f"{event.node}: agent {event.data.get('agent')} ({event.data.get('permissions')})"


def gate_words(event: Event) -> str:
    """Describe the verdict of the gate."""
    match event.data.get("reasons"):
        case [{"rule": "no_suite"}]:
            return NOT_JUDGED
        case _:
            return f"gate: {'go' if event.data.get('go') else 'no-go'}"


def _by(event: Event, action: str) -> str:
    """Describe an action of an operator, with the reason if the event has one."""
    reasons = (event.data.get(name) for name in ("rationale", "reason", "note"))
    words = next((str(one) for one in reasons if one), "")
    because = f": {shorten(words, LONGEST_WORDS)}" if words else ""
    return f"{action} by {event.data['by']}{because}"


_OF_AGENTS: Mapping[str, Callable[[Event], str]] = {
    "AgentChosen": _role,
    "ASSISTANT_TEXT_END": _said,
    "TOOL_CALL_START": _called,
    "TOOL_CALL_END": _call_failed,
}

SENTENCES: Mapping[str, Callable[[Event], str]] = {
    "StageStarted": _started,
    "StageCompleted": _completed,
    "StageFailed": lambda event: f"{event.node}: failed: {event.data.get('error', '')}",
    "StageRetrying": lambda event: f"{event.node}: retrying",
    "StageWaiting": lambda event: f"{event.node}: waits: {event.data.get('words', '')}",
    "StageContinued": lambda event: f"{event.node}: continues",
    "ParallelBranchStarted": lambda event: "branch started",
    "ParallelBranchCompleted": lambda event: f"branch ended: {event.data.get('outcome', '')}",
    "StageParked": _parked,
    "OperatorAction": _ordered,
    "NotificationCompleted": lambda event: f"{_notified(event)} sent{_by_messenger(event)}",
    "NotificationFailed": _not_notified,
    "FilesLeftOut": _left_out,
    "LeftRunningEnded": _ended,
    "EditsSetAside": _set_aside,
    "FidelityDegraded": _degraded,
    "RunInterrupted": lambda event: str(event.data.get("reason", "")),
    "RunForked": _forked,
    "RunRestarting": _restarting,
    "RunRestarted": _restarted,
    "RunResumed": lambda event: f"resumed at {event.data.get('next_node', '')}",
    "RunStatusChanged": _status,
    "BootStep": _booted,
    "RunPatchWritten": _patched,
    "RunBranchWritten": lambda event: f"stages committed on {event.data.get('ref', '')}",
    "BudgetWarning": _budget,
    "TornLineDropped": _torn,
    "HoldoutLeaked": lambda event: (
        f"a holdout of suite {event.data.get('suite')} leaked, at {event.data.get('places')} places"
    ),
    "TrialCompleted": _trial,
    "TrialTroubled": _trial_trouble,
    "ScenarioWaived": lambda event: _by(event, f"scenario {event.data['scenario']} waived"),
    "DecisionRecorded": lambda event: _by(event, str(event.data["verdict"])),
    "DecisionAmended": lambda event: _by(event, "decision amended"),
    "PromotionCompleted": lambda event: _by(event, f"promoted to {event.data['branch']}"),
    "PromotionRolledBack": lambda event: _by(event, f"rolled back from {event.data['branch']}"),
    "ResultLanded": lambda event: (
        f"landed on {event.data.get('branch', '')} ({str(event.data.get('commit', ''))[:12]})"
    ),
    "RunRebased": lambda event: _by(event, f"rebased as run {event.data['run_id']}"),
    "GateEvaluated": gate_words,
}
