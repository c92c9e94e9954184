"""The script of a twin, and the selection of the rule or function that answers a request."""

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Annotated, Self

from pydantic import Field, PrivateAttr, field_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, UnknownName
from attractor.base.toml import InvalidToml, TomlMistakes, parse_toml
from attractor.twins.errors import NoMatchingRule, Rejection, ScriptError, validated
from attractor.twins.exchange.answer import Answer, Pattern, ScriptTable, is_drawn, search_text
from attractor.twins.exchange.wire import Conversation, Speaker, wire_registry

_RULES, _SEED, _ANSWER = "rules", "seed", "answer"


@dataclass(frozen=True)
class AnswerFunction:
    """The function `answer` of a script, with the file of the script."""

    function: Callable[..., object]
    path: Path

    @property
    def name(self) -> str:
        """The name of the rule or function in the log."""
        return f"{_ANSWER} of {self.path.name}"

    def __call__(self, conversation: Conversation, attempt: int) -> Answer | None:
        """Call the function; convert an exception to a Rejection with the line of the exception."""
        try:
            result = self.function(conversation, attempt)
        except (Exception, SystemExit, KeyboardInterrupt) as cause:
            raise self._failure(_located(cause, self.path)) from cause
        if result is None or isinstance(result, Answer):
            return result
        mistakes = TomlMistakes("", f"{self.path}: the result of {_ANSWER}")
        answer = validated(Answer, result, mistakes)
        if answer is None:
            raise self._failure("; ".join(mistakes.lines()))
        return answer

    def _failure(self, message: str) -> Rejection:
        return Rejection(500, message, code="script_error", rule=self.name)


@dataclass(frozen=True)
class PythonScript:
    """The table of a Python script, and the function of the script, if any."""

    table: dict[str, object]
    function: AnswerFunction | None


def run_script(path: Path, text: str) -> PythonScript:
    """Run a script once; convert an exception to a ScriptError with the line of the exception."""
    module = _run(path, text)
    names = vars(module)
    if _RULES not in names and _ANSWER not in names:
        raise ScriptError(f"{path} must define a list `{_RULES}` or a function `{_ANSWER}`")
    table = {_RULES: names.get(_RULES, ()), _SEED: names.get(_SEED, 0)}
    function = names.get(_ANSWER)
    return PythonScript(table, None if function is None else _checked_function(function, path))


def _run(path: Path, text: str) -> ModuleType:
    # A unique name in sys.modules, where classes of the script are looked up.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module = ModuleType(f"attractor_twin_script_{digest}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as cause:
        raise ScriptError(_located(cause, path)) from cause
    return module


def _checked_function(function: object, path: Path) -> AnswerFunction:
    """Reject a function that would fail at every request."""
    if not callable(function):
        raise ScriptError(f"{path}: `{_ANSWER}` is not a function")
    if inspect.iscoroutinefunction(function):
        raise ScriptError(f"{path}: `{_ANSWER}` must not be async")
    try:
        inspect.signature(function).bind("conversation", 1)
    except TypeError as cause:
        signature = f"def {_ANSWER}(conversation, attempt)"
        raise ScriptError(f"{path}: `{_ANSWER}` must be {signature}: {cause}") from cause
    return AnswerFunction(function, path)


def _located(cause: BaseException, path: Path) -> str:
    """Return an exception as text, with the file and the last executed line of the file."""
    if isinstance(cause, SyntaxError) and cause.filename == str(path):
        return f"{path}:{cause.lineno}: {type(cause).__name__}: {cause.msg}"
    frames = traceback.extract_tb(cause.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    return f"{place}: {type(cause).__name__}: {cause}"


_MAX_QUOTE = 80
_PATTERN = re.compile(r"[*?[]")


class Regex(ScriptTable):
    """A regular expression to search for in a text."""

    regex: Pattern


Words = str | Regex


class When(ScriptTable):
    """Conditions on a request; a missing condition is always true."""

    wire: str | None = None
    model: str | None = None
    system: Words | None = None
    first_user: Words | None = None
    last_user: Words | None = None
    tool_result: Words | None = None
    words: Words | None = None
    step: int | None = Field(default=None, ge=0)
    attempt: int | None = Field(default=None, ge=1)

    @field_validator("wire")
    @classmethod
    def _is_known_wire(cls, wire: str | None) -> str | None:
        """Reject an unknown wire, because the rule would never answer."""
        if wire is not None and wire not in (wires := wire_registry()):
            unknown = UnknownName("wire", wire, wires)
            # The only kind of exception that pydantic collects.
            raise ValueError(f"{unknown.message}, {unknown.hint}")
        return wire

    def mismatches(self, conversation: Conversation, attempt: int) -> Mapping[str, str]:
        """Return a message for each condition that is false, with the actual value."""
        actual: Mapping[str, str | int] = {
            "wire": conversation.wire,
            "model": conversation.model,
            "system": conversation.instructions,
            "first_user": conversation.first_user,
            "last_user": conversation.last_user,
            "tool_result": conversation.tool_result,
            "words": conversation.words,
            "step": conversation.step,
            "attempt": attempt,
        }
        expected: Iterator[tuple[str, Words | int | None]] = iter(self)
        return {
            name: f"{name} is {quoted(actual[name])}, not {quoted(value)}"
            for name, value in expected
            if value is not None and not _holds(name, value, actual[name])
        }


class Rule(ScriptTable):
    """One answer, with the conditions on the request to answer.

    `first` limits the rule to this number of answers.
    """

    name: str = ""
    when: When = When()
    first: int | None = Field(default=None, ge=1)
    answer: Answer

    def mismatches(self, conversation: Conversation, attempt: int, uses: int) -> Mapping[str, str]:
        """Return a message for each condition that is false, and for a rule that is used up."""
        mismatches = self.when.mismatches(conversation, attempt)
        if self.first is None or uses < self.first:
            return mismatches
        return {**mismatches, "first": f"the first {self.first} were answered"}


class Script(ScriptTable):
    """Rules in order, and a function for requests that match no rule."""

    seed: int = 0
    rules: Annotated[tuple[Rule, ...], Field(strict=False)]
    _function: AnswerFunction | None = PrivateAttr(default=None)
    _source: str = PrivateAttr(default="")

    @property
    def function(self) -> AnswerFunction | None:
        """The function of a script in Python."""
        return self._function

    @property
    def source(self) -> str:
        """The file of the script, if any."""
        return self._source

    @field_validator("rules")
    @classmethod
    def _with_names(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(
            rule if rule.name else rule.model_copy(update={"name": f"rule {number}"})
            for number, rule in enumerate(rules, 1)
        )

    def models_of(self, wire: str) -> Sequence[str]:
        """Return the models in the rules for a wire, without patterns."""
        models = [rule.when.model for rule in self.rules if rule.when.wire in (None, wire)]
        return list(dict.fromkeys(name for name in models if name and not _PATTERN.search(name)))

    @classmethod
    def from_table(
        cls,
        table: object,
        mistakes: TomlMistakes,
        source: str,
        function: AnswerFunction | None = None,
    ) -> Self:
        """Return a script from its table, or raise an error with every mistake."""
        script = validated(cls, table, mistakes)
        if script is None:
            raise mistakes.error(ScriptError)
        script._source = source
        script._function = function
        return script


def parse_script(text: str, *, source: str = "") -> Script:
    """Read a script from TOML, or raise an error with every mistake."""
    name = source or "the script"
    try:
        table = parse_toml(text)
    except InvalidToml as cause:
        raise ScriptError(cause.at(name), hint=cause.hint) from cause
    return Script.from_table(table, TomlMistakes(text, name), source)


def load_script(path: Path) -> Script:
    """Read a script from a file: Python if the file name ends in `.py`, otherwise TOML."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise ScriptError(f"{path} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileError(f"cannot read the script {path}: {cause}") from cause
    if path.suffix == ".py":
        script, source = run_script(path, text), str(path)
        # The line of a mistake in the data of a Python script is unknown.
        return Script.from_table(script.table, TomlMistakes("", source), source, script.function)
    return parse_script(text, source=str(path))


def quoted(value: Words | int) -> str:
    """Return a value for a message: short and on one line."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Regex):
        return f"/{value.regex}/"
    one_line = " ".join(value.split())
    return repr(one_line[:_MAX_QUOTE] + ("…" if len(one_line) > _MAX_QUOTE else ""))


def _holds(name: str, expected: Words | int, actual: str | int) -> bool:
    if isinstance(expected, Regex):
        return search_text(expected.regex, str(actual))
    if name == "model":
        return fnmatchcase(str(actual), str(expected))
    if name == "wire" or isinstance(expected, int):
        return actual == expected
    return expected in str(actual)


# The other conditions tell more about the intended rule.
_WEAK_CONDITIONS = {"step", "attempt", "first"}
_REPORT = "report_outcome"


@dataclass(frozen=True)
class RuleEntry:
    """A rule of a script; if `rule` is None, the function of the script."""

    number: int
    script: Script
    rule: Rule | None

    @property
    def name(self) -> str:
        """The name of the rule or function in the log."""
        function = self.script.function
        return self.rule.name if self.rule else function.name if function else ""


@dataclass(frozen=True)
class ChosenAnswer:
    """The rule or function that answers a request, and its answer."""

    entry: RuleEntry
    answer: Answer

    def with_drawn_fault(self, use: int) -> Answer:
        """Return the answer for a use of the rule; the first use is 1.

        Remove the fault of the answer, unless the fault is drawn for this use.
        """
        fault = self.answer.fault
        if fault is None or is_drawn(
            fault.probability, self.entry.script.seed, self.entry.name, use
        ):
            return self.answer
        return self.answer.model_copy(update={"fault": None})


def rule_entries(scripts: Sequence[Script]) -> Sequence[RuleEntry]:
    """Return all rules and functions, in the order of use."""
    parts: list[tuple[Script, Rule | None]] = []
    for script in scripts:
        parts += [(script, rule) for rule in script.rules]
        if script.function:
            parts.append((script, None))
    return [RuleEntry(number, *part) for number, part in enumerate(parts, 1)]


def choose(
    entries: Sequence[RuleEntry],
    conversation: Conversation,
    *,
    attempt: int = 1,
    uses: Callable[[int], int] = lambda entry: 0,
) -> ChosenAnswer:
    """Return the answer of the first matching rule; `uses` counts the answers of an entry so far.

    Without a matching rule, reject the request and name the nearest rule.
    """
    rejected: list[tuple[Rule, Mapping[str, str]]] = []
    functions: list[str] = []
    for entry in entries:
        if entry.rule:
            mismatches = entry.rule.mismatches(conversation, attempt, uses(entry.number))
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


def warn_of_answer(answer: Answer, conversation: Conversation) -> str:
    """Return a warning about an answer that a client cannot use; an empty text without one."""
    unknown = [call.name for call in answer.tool_calls if call.name not in conversation.tools]
    if unknown:
        known = ", ".join(sorted(conversation.tools)) or "none"
        return f"the request does not offer the tool {unknown[0]!r}; it offers: {known}"
    if not answer.tool_calls and _lacks_report(conversation):
        return f"the answer ends a stage that offers {_REPORT} without calling it"
    return ""


def _lacks_report(conversation: Conversation) -> bool:
    """Return whether the model has not yet called the tool that reports a stage of a run."""
    return _REPORT in conversation.tools and not any(
        f"{_REPORT}(" in turn.text
        for turn in conversation.turns
        if turn.speaker is Speaker.ASSISTANT
    )


def _rejection_message(
    conversation: Conversation,
    attempt: int,
    rejected: Sequence[tuple[Rule, Mapping[str, str]]],
    functions: Sequence[str],
) -> str:
    again = f", attempt {attempt}" if attempt > 1 else ""
    message = (
        f"no rule of the script matches step {conversation.step}{again} of "
        f"{quoted(conversation.first_user)} (model {conversation.model}, wire {conversation.wire})"
    )
    if rejected:
        nearest, mismatches = min(rejected, key=lambda pair: _distance(pair[1]))
        message += f"; the nearest is {nearest.name!r}, but {' and '.join(mismatches.values())}"
    if conversation.step and _lacks_report(conversation):
        message += (
            f"; no answer has called {_REPORT}, which the stage of a run needs: add tool_calls = "
            f'[{{ name = "{_REPORT}", arguments = {{ outcome = "success" }} }}] to a rule'
        )
    return message + "".join(f"; {name} returned no answer" for name in functions)


def _distance(rejected: Mapping[str, str]) -> int:
    return sum(1 if name in _WEAK_CONDITIONS else 2 for name in rejected)
