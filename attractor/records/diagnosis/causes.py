"""The cause of a failed or stopped run, which is equal for all runs with the same cause."""

import re
from collections.abc import Callable, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.outcome import FailureClass
from attractor.engine.state.attempts import LONGEST, TRIED_OUT
from attractor.engine.state.run_state import StatusWord
from attractor.environments.missing_program import find_missing_program
from attractor.records.summary import RunOverview

NO_REASON = "the process ended without a reason"


@dataclass(frozen=True)
class Cause:
    """The reason of a failure, without paths, times, ids and counts.

    A cause of the machine or of a provider has no class, pipeline and node, because it can stop
    every stage. The cause of a no-go has the ids of the rules of the gate as its reason.
    """

    reason: str
    failure_class: str = ""
    pipeline: str = ""
    node: str = ""
    is_no_go: bool = False

    @property
    def is_of_machine(self) -> bool:
        """Whether the cause can stop every stage of every pipeline."""
        return not (self.pipeline or self.is_no_go)

    @property
    def place(self) -> str:
        """The pipeline and the node, for people."""
        return " ".join(filter(None, (self.pipeline, self.node))) or "any stage"


@dataclass(frozen=True)
class FailedAttempt:
    """The last failed attempt in the journal of a run."""

    node: str = ""
    failure_class: str = ""


NO_ATTEMPT = FailedAttempt()


def _compiled(*patterns: tuple[str, str]) -> Sequence[tuple[re.Pattern[str], str]]:
    return [(late_pattern(pattern, re.IGNORECASE), name) for pattern, name in patterns]


_OF_MACHINE = _compiled(
    (r"no space left on device|disk quota exceeded|disk is full|disk full", "disk full"),
    (r"cannot allocate memory|out of memory|\bMemoryError\b|\bENOMEM\b", "out of memory"),
    (r"\bsandbox (?:did not start|ended too early|guarantees less)|\bbwrap: ", ""),
    (r"has no sandbox\b|\bmissing sandbox\b", ""),
)
"""Patterns of causes of the machine, with their names; without a name, the reason is the name."""

_OF_PROVIDERS = _compiled(
    (r"(?P<name>[\w.-]+) answered (?P<status>40[13]|429|5\d\d)\b", "answered"),
    (
        r"(?:\bHTTP(?:/[\d.]+)?|\bstatus(?: code)?|\bAPI error|\berror(?: code)?)[\s:=(]{1,3}"
        r"(?P<status>40[13]|429|5\d\d)\b",
        "answered",
    ),
    (r"\b(?P<status>40[13]) (?:unauthorized|forbidden)\b", "answered"),
    (r"\b(?P<status>429) too many requests\b", "answered"),
    (r"\b(?P<status>5\d\d) (?:internal|bad gateway|service|gateway)", "answered"),
    (r"not logged in|log in again|/login\b|login (?:is )?required|session expired", "login"),
    (r"invalid api key|incorrect api key|authentication_error", "login"),
    (r"rate.?limit|too many requests|quota exceeded", "rate limit"),
    (r"\boverloaded\b", "overloaded"),
)
"""Patterns of causes of a provider. A verdict about the work may name the same statuses."""

_NOT_OF_PROVIDERS = (FailureClass.VERDICT.value, FailureClass.PIPELINE.value)

_VARYING = late_pattern(
    r"(?P<status>\b(?i:exit(?:ed)?(?: with)?(?: (?:code|status))?|status(?: code)?|code|rc|signal"
    r"|errno|answered|HTTP(?:/[\d.]+)?(?: (?:status|error))?|API error)"
    r"[\s:=(]{1,3}-?\d{1,3}\b(?!\.?\d))"
    r"|(?P<url>\b[a-z][a-z0-9+]*://[^\s'\"<>)\]]+)"
    # Not a model such as openai/gpt-9, and not 3/5 or and/or: a relative path has two separators, a
    # separator at its end, or a suffix.
    r"|(?P<path>(?<![\w<])(?:(?:~|\.[\w.@+-]*|[A-Za-z]:)?(?:[/\\][\w.@+%#=-]+)+/?"
    r"|[\w.@+-]+(?:(?:[/\\][\w.@+%#=-]+){2,}/?|[/\\](?:[\w.@+%#=-]+/|[\w.@+%#=-]*\.[A-Za-z]\w*)))"
    r"|(?<![\w<])[\w.-]*\w\.(?:c|cc|cpp|cs|css|csv|dot|go|h|hpp|html|java|js|json|jsx|kt|lock|log|md"
    r"|php|py|rb|rs|sh|sql|toml|ts|tsx|txt|xml|yaml|yml)\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[AaPp][Mm]\b)?"
    r"|\b\d[\d,.]* ?(?:ms|us|ns|s|sec|seconds?|min|minutes?|m|h|hours?|d|days?)\b)"
    r"|(?P<id>\b0x[0-9a-fA-F]+\b"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9A-Z]*\d)[0-9A-HJKMNP-TV-Z]{26}\b"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b"
    r"|\b[a-z]{2,10}[_-](?=[A-Za-z0-9]*\d)[A-Za-z0-9]{8,}\b)"
    r"|(?P<count>(?<![A-Za-z0-9])\d[\d,._]*(?<![,._])%?)",
)
_PLURAL = late_pattern(r"(?<=# )([a-z]{3,})s\b(?<!ss)")
_HTTP_VERSION = late_pattern(r"/[\d.]+")
_PLACE = late_pattern(r"(?<=<path>)(?::(?:#|\d+))+")
_LARGEST = 4000


def normalize(reason: str) -> str:
    """Return a reason without paths, times, ids and counts.

    Exit statuses, HTTP statuses and names of errors stay.
    """
    reason = reason[:_LARGEST].removeprefix(f"{TRIED_OUT}: ")
    words = " ".join(_VARYING.sub(_replacement, reason).split())
    return _PLACE.sub("", _PLURAL.sub(r"\1", words))[:LONGEST]


def _replacement(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "status":
            return _HTTP_VERSION.sub("", found[0])
        case "url" | "path":
            return "<path>"
        case _:
            return "#"


def cause_of(reason: str, failure_class: str = "", pipeline: str = "", node: str = "") -> Cause:
    """Return the cause of a failure with a reason at a node of a pipeline."""
    name = _name_of_machine(reason[:_LARGEST], failure_class)
    if name is not None:
        return Cause(name or normalize(reason))
    return Cause(normalize(reason), failure_class, pipeline, node)


def _name_of_machine(reason: str, failure_class: str) -> str | None:
    """Return the name of a cause of the machine or of a provider; None for another cause."""
    if program := find_missing_program(reason):
        return f"missing program {program}"
    patterns = [*_OF_MACHINE]
    if failure_class not in _NOT_OF_PROVIDERS:
        patterns += _OF_PROVIDERS
    for pattern, name in patterns:
        if found := pattern.search(reason):
            parts = [part for part in found.groups() if part]
            if name == "answered" and len(parts) == 1:
                parts = ["a provider", *parts]
            return f"{parts[0]} answered {parts[1]}" if name == "answered" else name
    return None


def cause_of_run(
    run: RunOverview, last: FailedAttempt, rules: Callable[[], Sequence[str]]
) -> Cause | None:
    """Return the cause of a run that failed, stopped, or was judged no-go; None for other runs.

    Canceled, restarted, waiting and parked runs have no cause. `last` is the last failed attempt;
    `rules` reads the rules of the gate that say no-go.
    """
    if run.is_resting or run.is_live or run.restarted_as or run.trouble:
        return None
    if run.status == StatusWord.FAILED:
        return cause_of(run.reason or NO_REASON, last.failure_class, run.pipeline, last.node)
    if run.suite and run.status in (StatusWord.AWAITING_HUMAN, StatusWord.REJECTED):
        found = ", ".join(sorted(set(rules()))) if run.outcome else ""
        return Cause(found, pipeline=run.pipeline, is_no_go=True) if found else None
    has_stopped = run.is_stopped and not run.is_paused
    may_resume = run.status in (StatusWord.BOOTING, StatusWord.EXECUTING, StatusWord.EVALUATING)
    if has_stopped and may_resume and (run.why_stopped or not run.outcome):
        at = run.stage or run.next_node
        return cause_of(run.why_stopped or NO_REASON, "", run.pipeline, at)
    return None
