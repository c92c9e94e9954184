"""Describes events of a run for people, one line each."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta

from attractor.base.call_text import describe_call
from attractor.base.durations import describe_duration
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.journal.events import INPUT_SOUGHT, Action
from attractor.engine.questions.question import (
    AnswerKind,
    describe_author,
    describe_recorded_branches,
)
from attractor.engine.receipts import RECEIPT_SKIPPED, RECEIPT_TAKEN
from attractor.engine.truncation import condense, shorten
from attractor.language.source.text import visible
from attractor.records.summary import FINISHED_UNJUDGED, NOT_JUDGED

LONGEST_WORDS = 200
"""The maximum length of a quoted message."""

MOST_NAMED = 5
"""Maximum number of names in a line; the journal contains all names."""


def describe_event(event: Event) -> str:
    """Return an event as one line, or an empty text for an internal event."""
    return _timed(event, _words(event, SENTENCES))


def describe_logged(event: Event) -> str:
    """Return an event as one line, also the words and the tool calls of agents."""
    return _timed(event, describe_without_time(event))


def describe_without_time(event: Event) -> str:
    """Return an event in words, as `describe_logged`, for a list with a column for the time."""
    return _words(event, {**SENTENCES, **_OF_AGENTS})


def _timed(event: Event, words: str) -> str:
    return f"{event.time.astimezone().strftime('%H:%M:%S')}  {words}" if words else ""


Sentence = str | Callable[[Event], str]
"""A text with the node and the data of an event in braces, or a function of the event."""


def _words(event: Event, sentences: Mapping[str, Sentence]) -> str:
    sentence = sentences.get(event.type, "")
    if isinstance(sentence, str):
        words = sentence.format_map(defaultdict(str, {"node": event.node, **event.data}))
    else:
        try:
            words = sentence(event)
        except (LookupError, TypeError, ValueError, AttributeError):
            # A worker of the fleet shows events before anything has checked them.
            words = f"{event.type}: its data are invalid"
    if words and event.branch:
        words = f"[{event.branch}] {words}"
    # Output of agents and commands may contain control characters.
    return visible(words)


def _status(event: Event) -> str:
    reason, status = event.data.get("reason"), event.data.get("status", "")
    if reason == NOT_JUDGED:
        return FINISHED_UNJUDGED
    # A run may wait for its evaluation: this line does not say that one begins.
    what = "stages ended" if status == "evaluating" else f"run is {status}"
    return f"{what}: {reason}" if reason else what


def _started(event: Event) -> str:
    again = f" (visit {event.visit})" if event.visit and event.visit > 1 else ""
    return f"{event.node}: started{again}"


def _completed(event: Event) -> str:
    assumed = " (assumed, because nothing was reported)" if event.data.get("assumed") else ""
    return f"{event.node}: {event.data.get('outcome', '')}{assumed}"


def _ordered(event: Event) -> str:
    """Describe an order, and whether the order was accepted."""
    data = event.data
    by, proof = str(data.get("by") or ""), str(data.get("proof") or "")
    author = describe_author(by, proof) if data.get("action") == Action.ANSWER else by
    who = f" by {author}" if by else ""
    why = f": {data.get('why')}" if data.get("why") else ""
    what = f"{data.get('action') or 'an order'}{_about(data)}{who}"
    return f"{what}{why}" if data.get("is_accepted") else f"{what} refused{why}"


def _settled(event: Event) -> str:
    """Describe an answer that did not come as an order."""
    data, answer = event.data, event.data.get("answer")
    if not isinstance(answer, dict) or answer.get("kind") != AnswerKind.GIVEN:
        return ""
    by, proof = str(answer.get("by") or ""), str(answer.get("proof") or "")
    text = shorten(str(answer.get("value") or ""), LONGEST_WORDS)
    return f"answer {data.get('question')}: {text} by {describe_author(by, proof)}"


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
    shown = [_name(name) for name in names[:MOST_NAMED]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{word}: {', '.join(shown)}{more}"


def _name(value: Json) -> str:
    match value:
        case {"path": str(path), "why": str(why)}:
            return f"{path} ({why})"
        case {"name": str(name), "pid": int(number)}:
            return f"{name} ({number})"
        case _:
            return str(value)


ALWAYS_PRINTED = frozenset({"LeftRunningEnded", "EditsSetAside", "FidelityDegraded"})
"""Events that are also printed above the live display."""


def _booted(event: Event) -> str:
    """Describe a finished setup command; other boot steps are not reported."""
    if event.data.get("step") != "setup":
        return ""
    code = event.data.get("exit_code")
    ended = "cached result" if code is None else f"exit status {code}"
    return f"setup {event.data.get('command', '')}: {ended} ({event.data.get('seconds', 0)} s)"


def _called(event: Event) -> str:
    """Describe a tool call in one line."""
    call = describe_call(str(event.data.get("tool_name")), event.data.get("arguments"))
    return f"{event.node}: {shorten(call[0], LONGEST_WORDS)}"


def _call_failed(event: Event) -> str:
    error, name = _one_line(event.data.get("error")), event.data.get("tool_name")
    return f"{event.node}: {name} failed: {error}" if error else ""


def _one_line(text: Json) -> str:
    return shorten(" ".join(str(text or "").split()), LONGEST_WORDS)


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
    words = next((str(reason) for reason in reasons if reason), "")
    because = f": {shorten(words, LONGEST_WORDS)}" if words else ""
    return f"{action} by {event.data['by']}{because}"


_OF_AGENTS: Mapping[str, Sentence] = {
    "AgentChosen": "{node}: agent {agent} ({permissions})",
    "ASSISTANT_TEXT_END": lambda event: (
        f'{event.node}: "{text}"' if (text := _one_line(event.data.get("text"))) else ""
    ),
    "TOOL_CALL_START": _called,
    "TOOL_CALL_END": _call_failed,
}

SENTENCES: Mapping[str, Sentence] = {
    "StageStarted": _started,
    "StageCompleted": _completed,
    "StageFailed": "{node}: failed: {error}",
    "StageRetrying": "{node}: retrying",
    RECEIPT_TAKEN: "{node}: receipt: {command}: exit status {exit_status} ({seconds} s)",
    RECEIPT_SKIPPED: "{node}: no receipt: {reason}",
    "StageWaiting": "{node}: waits: {words}",
    "StageContinued": "{node}: continues",
    "ParallelBranchStarted": "branch started",
    "ParallelBranchCompleted": "branch ended: {outcome}",
    "StageParked": _parked,
    INPUT_SOUGHT: "{node}: a process in the sandbox connected to the input of the agent's program",
    "CallRuled": lambda event: (
        f"{event.node}: {'allowed' if event.data.get('is_allowed') else 'refused'} by the rule "
        f"{event.data.get('rule')}: {condense(str(event.data.get('call')), LONGEST_WORDS)}"
    ),
    "ApprovalUsed": lambda event: (
        f"{event.node}: the answer about its tool call: {event.data.get('choice')}"
        + (f", from now on {rule}" if (rule := event.data.get("rule")) else "")
    ),
    "OperatorAction": _ordered,
    "QuestionSettled": _settled,
    "NotificationCompleted": lambda event: (
        f"{_notified(event)} sent by {event.data.get('messenger')}"
    ),
    "NotificationFailed": lambda event: (
        f"{_notified(event)} failed by {event.data.get('messenger')}: {event.data.get('error')}"
    ),
    "FilesLeftOut": _left_out,
    "FilesChangedByOthers": "{node}: files changed by others before the stage: {count}",
    "LeftRunningEnded": _ended,
    "EditsSetAside": _set_aside,
    "FidelityDegraded": "{node}: a summary replaces the earlier conversation: {reason}",
    "RunInterrupted": "{reason}",
    "RunForked": "forked from run {parent} before {node}@{visit}",
    "RunRestarting": "restarting at {node} as run {run_id}",
    "RunRestarted": "restart {restart} at {node} of run {parent}",
    "RunResumed": "resumed at {next_node}",
    "RunStatusChanged": _status,
    "BootStep": _booted,
    "RunPatchWritten": _patched,
    "RunBranchWritten": "stages committed on {ref}",
    "BudgetWarning": "budget {budget}: {spent} of {limit} used",
    "TornLineDropped": (
        "removed an incomplete last line of the journal: {length} bytes at offset {offset}"
    ),
    "HoldoutLeaked": "a holdout of suite {suite} leaked, at {places} places",
    "SuiteSetupStarted": "setup of the suite started",
    "SuiteSetupCompleted": lambda event: (
        f"setup of the suite failed: {event.data['failure']}"
        if event.data["failure"]
        else "setup of the suite ended"
    ),
    "TrialCompleted": _trial,
    "TrialTroubled": _trial_trouble,
    "TrialsSent": "trials: sent to the pool evaluate; attractor fleet why {name}",
    "TrialCut": "trial: cut, without a result",
    "TrialUnjudged": "trial: unjudged: the judge failed",
    "TrialsReplayed": lambda event: _by(event, "cut trials played again"),
    "ScenarioWaived": lambda event: _by(event, f"scenario {event.data['scenario']} waived"),
    "DecisionRecorded": lambda event: _by(event, str(event.data["verdict"])),
    "DecisionAmended": lambda event: _by(event, "decision amended"),
    "PromotionCompleted": lambda event: _by(
        event,
        f"promoted to {event.data['branch']}"
        + ("; the merged tree was not judged" if "unjudged_tree" in event.data else ""),
    ),
    "PromotionRolledBack": lambda event: _by(event, f"rolled back from {event.data['branch']}"),
    "PromotionQueued": lambda event: _by(event, f"queued for {event.data['branch']}"),
    "PromotionLeft": lambda event: (
        f"left the queue of {event.data['branch']}: {event.data['reason']}"
    ),
    "ResultLanded": lambda event: (
        f"landed on {event.data.get('branch', '')} ({str(event.data.get('commit', ''))[:12]})"
    ),
    "RunRebased": lambda event: _by(event, f"rebased as run {event.data['run_id']}"),
    "GateEvaluated": gate_words,
}
