"""Chooses the rule or function that answers a request."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.twins.errors import NoMatchingRule
from attractor.twins.exchange.answer import Answer, is_drawn
from attractor.twins.exchange.conversation import Conversation
from attractor.twins.script.script import Rule, Script, quoted

# The other conditions say more about the intended rule.
_WEAK_CONDITIONS = {"step", "attempt"}


@dataclass(frozen=True)
class RuleEntry:
    """A rule of a script, or its function if `rule` is None."""

    number: int
    script: Script
    rule: Rule | None

    @property
    def name(self) -> str:
        """The name in the log."""
        function = self.script.function
        return self.rule.name if self.rule else function.name if function else ""


@dataclass(frozen=True)
class ChosenAnswer:
    """The rule or function that answers a request, and its answer."""

    entry: RuleEntry
    answer: Answer

    def with_drawn_fault(self, use: int) -> Answer:
        """Return the answer to the so-many-th request for it: with its fault, if that is_drawn."""
        fault = self.answer.fault
        if fault is None or is_drawn(
            fault.probability, self.entry.script.seed, self.entry.name, use
        ):
            return self.answer
        return self.answer.model_copy(update={"fault": None})


def rule_entries(scripts: Sequence[Script]) -> Sequence[RuleEntry]:
    """Return all rules and functions, in their order."""
    parts = [(script, rule) for script in scripts for rule in _parts(script)]
    return [RuleEntry(number, *part) for number, part in enumerate(parts, 1)]


def choose(
    entries: Sequence[RuleEntry], conversation: Conversation, *, attempt: int = 1
) -> ChosenAnswer:
    """Return the first answer, or reject the request and name the nearest rule."""
    rejected: list[tuple[Rule, Mapping[str, str]]] = []
    functions: list[str] = []
    for entry in entries:
        if entry.rule:
            mismatches = entry.rule.when.mismatches(conversation, attempt)
            if not mismatches:
                return ChosenAnswer(entry, entry.rule.answer)
            rejected.append((entry.rule, mismatches))
        elif entry.script.function:
            answer = entry.script.function(conversation, attempt)
            if answer is not None:
                return ChosenAnswer(entry, answer)
            functions.append(entry.name)
    raise NoMatchingRule(
        400, _rejection_message(conversation, attempt, rejected, functions), code="no_rule"
    )


def _parts(script: Script) -> Iterator[Rule | None]:
    yield from script.rules
    if script.function:
        yield None


def _rejection_message(
    conversation: Conversation,
    attempt: int,
    rejected: Sequence[tuple[Rule, Mapping[str, str]]],
    functions: Sequence[str],
) -> str:
    message = f"no rule of the script matches {_described(conversation, attempt)}"
    if rejected:
        nearest, mismatches = min(rejected, key=lambda pair: _distance(pair[1]))
        message += f"; the nearest is {nearest.name!r}, but {' and '.join(mismatches.values())}"
    return message + "".join(f"; {name} has no answer" for name in functions)


def _distance(rejected: Mapping[str, str]) -> int:
    return sum(1 if name in _WEAK_CONDITIONS else 2 for name in rejected)


def _described(conversation: Conversation, attempt: int) -> str:
    again = f", attempt {attempt}" if attempt > 1 else ""
    return (
        f"step {conversation.step}{again} of {quoted(conversation.first_user)} "
        f"(model {conversation.model}, wire {conversation.wire})"
    )
