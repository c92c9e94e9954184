"""A script: which request gets which answer. The first rule that fits a request answers it.

An answer depends on the request alone, so a twin needs no reset after a crash, for a branch or on
another wire. Only a rule that asks for `attempt` looks at more: how often the very same request
came before. And where a script does not say what a prompt took, the cached tokens are counted.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, cast

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from attractor.base.errors import FileTrouble
from attractor.base.suggestions import suggest
from attractor.twins.answer import Answer, Fault, Tokens, ToolUse, Written
from attractor.twins.conversation import Conversation
from attractor.twins.errors import Rejection, ScriptError

_LONGEST_QUOTE = 80
_PATTERN = re.compile(r"[*?[]")
_TABLE = re.compile(r"^[ \t]*\[\[ *rules *\]\]", re.MULTILINE)
# Who it is about says more than how far it has come.
_WEAK = {"step", "attempt"}


class Regex(Written):
    """A regular expression to be found in a text."""

    regex: str

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as cause:
            raise ValueError(f"not a regular expression: {cause}") from cause
        return value


Words = str | Regex


class When(Written):
    """What a request has to be like; what is left out does not matter."""

    wire: str | None = None
    model: str | None = None
    system: Words | None = None
    first_user: Words | None = None
    last_user: Words | None = None
    tool_result: Words | None = None
    words: Words | None = None
    step: int | None = Field(default=None, ge=0)
    attempt: int | None = Field(default=None, ge=1)

    def misses(self, conversation: Conversation, attempt: int) -> Mapping[str, str]:
        """Return every condition that does not hold, and what was found instead."""
        found: Mapping[str, str | int] = {
            "wire": conversation.wire,
            "model": conversation.model,
            "system": conversation.system,
            "first_user": conversation.first_user,
            "last_user": conversation.last_user,
            "tool_result": conversation.tool_result,
            "words": conversation.words,
            "step": conversation.step,
            "attempt": attempt,
        }
        wanted: Iterator[tuple[str, Words | int | None]] = iter(self)
        return {
            name: f"{name} is {_quoted(found[name])}, not {_quoted(value)}"
            for name, value in wanted
            if value is not None and not _fits(name, value, found[name])
        }


class Rule(Written):
    """One answer, and the requests that get it."""

    name: str = ""
    when: When = When()
    answer: Answer


class Script(Written):
    """All the rules of a twin, in the order they are tried."""

    rules: Annotated[tuple[Rule, ...], Field(strict=False)]

    @field_validator("rules")
    @classmethod
    def _named(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(
            rule if rule.name else rule.model_copy(update={"name": f"rule {number}"})
            for number, rule in enumerate(rules, 1)
        )

    def rule_for(self, conversation: Conversation, *, attempt: int = 1) -> Rule:
        """Return the first rule that fits, or refuse the request and name the nearest one."""
        misses = [(rule, rule.when.misses(conversation, attempt)) for rule in self.rules]
        fitting = next((rule for rule, missed in misses if not missed), None)
        if fitting is not None:
            return fitting
        told = f"no rule of the script answers {_described(conversation, attempt)}"
        if misses:
            nearest, missed = min(misses, key=lambda one: _distance(one[1]))
            told += f"; the nearest is {nearest.name!r}, but {' and '.join(missed.values())}"
        raise Rejection(400, told, code="no_rule")

    def models_of(self, wire: str) -> Sequence[str]:
        """Return the models that rules for a wire name outright, each once."""
        asked = [rule.when.model for rule in self.rules if rule.when.wire in (None, wire)]
        return list(dict.fromkeys(one for one in asked if one and not _PATTERN.search(one)))


def parse_script(text: str, *, source: str = "the script") -> Script:
    """Read a script from TOML, or say what is wrong with it and where."""
    try:
        return Script.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as cause:
        raise ScriptError(f"{source} is not TOML: {cause}") from cause
    except ValidationError as cause:
        lines = _rule_lines(text)
        faults = "; ".join(_line(one, lines) + _fault(one) for one in cause.errors()[:3])
        raise ScriptError(f"{source}: {faults}") from cause


def load_script(path: Path) -> Script:
    """Read a script from a file."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise ScriptError(f"{path} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileTrouble(f"the script {path} cannot be read: {cause}") from cause
    return parse_script(text, source=str(path))


def _fits(name: str, wanted: Words | int, found: str | int) -> bool:
    if isinstance(wanted, Regex):
        return re.search(wanted.regex, str(found)) is not None
    if name == "model":
        return fnmatchcase(str(found), str(wanted))
    if name == "wire" or isinstance(wanted, int):
        return found == wanted
    return wanted in str(found)


def _distance(missed: Mapping[str, str]) -> int:
    return sum(1 if name in _WEAK else 2 for name in missed)


def _described(conversation: Conversation, attempt: int) -> str:
    again = f", attempt {attempt}" if attempt > 1 else ""
    return (
        f"step {conversation.step}{again} of {_quoted(conversation.first_user)} "
        f"(model {conversation.model}, wire {conversation.wire})"
    )


def _quoted(value: Words | int) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Regex):
        return f"/{value.regex}/"
    one_line = " ".join(value.split())
    return repr(one_line[:_LONGEST_QUOTE] + ("…" if len(one_line) > _LONGEST_QUOTE else ""))


def _rule_lines(text: str) -> Sequence[int]:
    """Return the lines in which rules begin, where each has a table of its own."""
    rules = tomllib.loads(text).get("rules")
    found = [text.count("\n", 0, one.start()) + 1 for one in _TABLE.finditer(text)]
    return found if isinstance(rules, list) and len(found) == len(cast(list[object], rules)) else []


def _line(error: ErrorDetails, lines: Sequence[int]) -> str:
    """Return the line of the rule that is wrong, if it can be told."""
    rule = error["loc"][1] if len(error["loc"]) > 1 else None
    return f"line {lines[rule]}, " if isinstance(rule, int) and rule < len(lines) else ""


def _fault(error: ErrorDetails) -> str:
    known = {name for table in _TABLES for name in table.model_fields}
    *path, last = error["loc"] or ("",)
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    # Between the keys stand names of types, which nobody wrote.
    written = [step for step in steps if step[0] == "[" or step[1:] in known]
    place = "".join(written).removeprefix(".")
    if error["type"] != "extra_forbidden":
        end = f"[{last}]" if isinstance(last, int) else f".{last}" if last in known else ""
        return f"{f'{place}{end}'.removeprefix('.') or 'it'}: {error['msg']}"
    near = suggest(str(last), known)
    return f"{place or 'it'} has no key {last!r}" + (f", did you mean {near!r}?" if near else "")


_TABLES = (Script, Rule, When, Regex, Answer, ToolUse, Tokens, Fault)
