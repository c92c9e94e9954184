"""Chooses the rule or function that answers a request."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.twins.errors import NoMatchingRule
from attractor.twins.exchange.answer import Answer, strikes
from attractor.twins.exchange.conversation import Conversation
from attractor.twins.script.script import Rule, Script, quoted

# Who it is about says more than how far it has come.
_WEAK = {"step", "attempt"}


@dataclass(frozen=True)
class Entry:
    """Something that may answer: a rule, or without one the function of its script."""

    number: int
    script: Script
    rule: Rule | None

    @property
    def name(self) -> str:
        """What it is called in the log."""
        function = self.script.function
        return self.rule.name if self.rule else function.name if function else ""


@dataclass(frozen=True)
class Choice:
    """What answers a request, and what it says."""

    entry: Entry
    answer: Answer

    def drawn(self, use: int) -> Answer:
        """Return the answer to the so-many-th request for it: with its fault, if that strikes."""
        fault = self.answer.fault
        if fault is None or strikes(
            fault.probability, self.entry.script.seed, self.entry.name, use
        ):
            return self.answer
        return self.answer.model_copy(update={"fault": None})


def entries_of(scripts: Sequence[Script]) -> Sequence[Entry]:
    """Return everything that may answer, in the order in which it is tried."""
    found = [(script, rule) for script in scripts for rule in _parts(script)]
    return [Entry(number, *one) for number, one in enumerate(found, 1)]


def choose(entries: Sequence[Entry], conversation: Conversation, *, attempt: int = 1) -> Choice:
    """Return the first that answers, or refuse the request and name the nearest rule."""
    missed: list[tuple[Rule, Mapping[str, str]]] = []
    asked: list[str] = []
    for entry in entries:
        if entry.rule:
            misses = entry.rule.when.misses(conversation, attempt)
            if not misses:
                return Choice(entry, entry.rule.answer)
            missed.append((entry.rule, misses))
        elif entry.script.function:
            answer = entry.script.function(conversation, attempt)
            if answer is not None:
                return Choice(entry, answer)
            asked.append(entry.name)
    raise NoMatchingRule(400, _refusal(conversation, attempt, missed, asked), code="no_rule")


def _parts(script: Script) -> Iterator[Rule | None]:
    yield from script.rules
    if script.function:
        yield None


def _refusal(
    conversation: Conversation,
    attempt: int,
    missed: Sequence[tuple[Rule, Mapping[str, str]]],
    asked: Sequence[str],
) -> str:
    told = f"no rule of the script answers {_described(conversation, attempt)}"
    if missed:
        nearest, misses = min(missed, key=lambda one: _distance(one[1]))
        told += f"; the nearest is {nearest.name!r}, but {' and '.join(misses.values())}"
    return told + "".join(f"; {one} has no answer either" for one in asked)


def _distance(missed: Mapping[str, str]) -> int:
    return sum(1 if name in _WEAK else 2 for name in missed)


def _described(conversation: Conversation, attempt: int) -> str:
    again = f", attempt {attempt}" if attempt > 1 else ""
    return (
        f"step {conversation.step}{again} of {quoted(conversation.first_user)} "
        f"(model {conversation.model}, wire {conversation.wire})"
    )
