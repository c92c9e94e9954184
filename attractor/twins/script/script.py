"""A script: which request gets which answer. The first rule that fits a request answers it.

An answer depends on the request alone, so a twin needs no reset after a crash, for a branch or on
another wire. Only a rule that asks for `attempt` looks at more: how often the very same request
came before; and a fault with a probability, how often its rule was used. And where a script does
not say what a prompt took, the cached tokens are counted.

A script in Python: rules as data, and a function that is asked where no rule fits.

The file is run once, when it is read. What its function raises later is an error in the provider's
own shape, which names file, line and exception.
"""

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
from attractor.base.toml_errors import InvalidToml, TomlMistakes, parse_toml
from attractor.twins.errors import Rejection, ScriptError, validated
from attractor.twins.exchange.answer import Answer, Pattern, ScriptTable
from attractor.twins.exchange.conversation import Conversation
from attractor.twins.exchange.wire import wire_registry

_RULES, _SEED, _ANSWER = "rules", "seed", "answer"


@dataclass(frozen=True)
class AnswerFunction:
    """A script's function `answer`, and the file it stands in."""

    function: Callable[..., object]
    path: Path

    @property
    def name(self) -> str:
        """How it is told that it answered."""
        return f"{_ANSWER} of {self.path.name}"

    def __call__(self, conversation: Conversation, attempt: int) -> Answer | None:
        """Return what it answers, if it does, or refuse the request and say where it failed."""
        try:
            found = self.function(conversation, attempt)
        except (Exception, SystemExit, KeyboardInterrupt) as cause:
            raise self._failed(_told(cause, self.path)) from cause
        if found is None or isinstance(found, Answer):
            return found
        mistakes = TomlMistakes("", f"{self.path}: what {_ANSWER} returned")
        made = validated(Answer, found, mistakes)
        if made is None:
            raise self._failed("; ".join(mistakes.lines()))
        return made

    def _failed(self, told: str) -> Rejection:
        return Rejection(500, told, code="script_error", rule=self.name)


@dataclass(frozen=True)
class PythonScript:
    """What a file in Python says: the table of a script, and the function if it has one."""

    table: dict[str, object]
    function: AnswerFunction | None


def run_script(path: Path, text: str) -> PythonScript:
    """Run a script once, or say in which line it fails."""
    module = _run(path, text)
    said = vars(module)
    if _RULES not in said and _ANSWER not in said:
        raise ScriptError(f"{path} has neither a list `{_RULES}` nor a function `{_ANSWER}`")
    table = {_RULES: said.get(_RULES, ()), _SEED: said.get(_SEED, 0)}
    function = said.get(_ANSWER)
    return PythonScript(table, None if function is None else _checked(function, path))


def _run(path: Path, text: str) -> ModuleType:
    # It has a name of its own among the modules, for what looks itself up there.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module = ModuleType(f"attractor_twin_script_{digest}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as cause:
        raise ScriptError(_told(cause, path)) from cause
    return module


def _checked(function: object, path: Path) -> AnswerFunction:
    """Refuse at the start what would fail at every request."""
    if not callable(function):
        raise ScriptError(f"{path}: `{_ANSWER}` is no function")
    if inspect.iscoroutinefunction(function):
        raise ScriptError(f"{path}: `{_ANSWER}` is async; a script answers at once")
    try:
        inspect.signature(function).bind("conversation", 1)
    except TypeError as cause:
        wanted = f"def {_ANSWER}(conversation, attempt)"
        raise ScriptError(f"{path}: `{_ANSWER}` does not take {wanted}: {cause}") from cause
    return AnswerFunction(function, path)


def _told(cause: BaseException, path: Path) -> str:
    """Return the file, the last line in it that was at work, and the exception."""
    if isinstance(cause, SyntaxError) and cause.filename == str(path):
        return f"{path}:{cause.lineno}: {type(cause).__name__}: {cause.msg}"
    steps = traceback.extract_tb(cause.__traceback__)
    lines = [one.lineno for one in steps if one.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    return f"{place}: {type(cause).__name__}: {cause}"


_LONGEST_QUOTE = 80
_PATTERN = re.compile(r"[*?[]")


class Regex(ScriptTable):
    """A regular expression to be found in a text."""

    regex: Pattern


Words = str | Regex


class When(ScriptTable):
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

    @field_validator("wire")
    @classmethod
    def _spoken(cls, wire: str | None) -> str | None:
        """Refuse a wire that nobody speaks: a rule for it would never answer."""
        if wire is not None and wire not in (wires := wire_registry()):
            unknown = UnknownName("wire", wire, wires)
            # Of the errors raised while a model is made, pydantic only gathers this kind.
            raise ValueError(f"{unknown.message}, {unknown.hint}")
        return wire

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
            name: f"{name} is {quoted(found[name])}, not {quoted(value)}"
            for name, value in wanted
            if value is not None and not _fits(name, value, found[name])
        }


class Rule(ScriptTable):
    """One answer, and the requests that get it."""

    name: str = ""
    when: When = When()
    answer: Answer


class Script(ScriptTable):
    """Rules in the order they are tried, and what answers where none of them does."""

    seed: int = 0
    rules: Annotated[tuple[Rule, ...], Field(strict=False)]
    _function: AnswerFunction | None = PrivateAttr(default=None)
    _source: str = PrivateAttr(default="")

    @property
    def function(self) -> AnswerFunction | None:
        """What is asked when no rule fits: only a script in Python has such a thing."""
        return self._function

    @property
    def source(self) -> str:
        """The file it comes from, if from any."""
        return self._source

    @field_validator("rules")
    @classmethod
    def _named(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(
            rule if rule.name else rule.model_copy(update={"name": f"rule {number}"})
            for number, rule in enumerate(rules, 1)
        )

    def models_of(self, wire: str) -> Sequence[str]:
        """Return the models that rules for a wire name outright, each once."""
        asked = [rule.when.model for rule in self.rules if rule.when.wire in (None, wire)]
        return list(dict.fromkeys(one for one in asked if one and not _PATTERN.search(one)))

    @classmethod
    def made(
        cls,
        table: object,
        mistakes: TomlMistakes,
        source: str,
        function: AnswerFunction | None = None,
    ) -> Self:
        """Make a script of what its author wrote, or say what is wrong with it and where."""
        script = validated(cls, table, mistakes)
        if script is None:
            raise mistakes.error(ScriptError)
        script._source = source
        script._function = function
        return script


def parse_script(text: str, *, source: str = "") -> Script:
    """Read a script from TOML, or say what is wrong with it and where."""
    told = source or "the script"
    try:
        table = parse_toml(text)
    except InvalidToml as cause:
        raise ScriptError(cause.at(told), hint=cause.hint) from cause
    return Script.made(table, TomlMistakes(text, told), source)


def load_script(path: Path) -> Script:
    """Read a script from a file: Python if its name ends in `.py`, else TOML."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise ScriptError(f"{path} is not UTF-8: {cause}") from cause
    except OSError as cause:
        raise FileError(f"the script {path} cannot be read: {cause}") from cause
    if path.suffix == ".py":
        found, source = run_script(path, text), str(path)
        # Its data may come from anywhere in it, so a mistake has no line.
        return Script.made(found.table, TomlMistakes("", source), source, found.function)
    return parse_script(text, source=str(path))


def quoted(value: Words | int) -> str:
    """Return some words as they are told: short and on one line."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Regex):
        return f"/{value.regex}/"
    one_line = " ".join(value.split())
    return repr(one_line[:_LONGEST_QUOTE] + ("…" if len(one_line) > _LONGEST_QUOTE else ""))


def _fits(name: str, wanted: Words | int, found: str | int) -> bool:
    if isinstance(wanted, Regex):
        return re.search(wanted.regex, str(found)) is not None
    if name == "model":
        return fnmatchcase(str(found), str(wanted))
    if name == "wire" or isinstance(wanted, int):
        return found == wanted
    return wanted in str(found)
