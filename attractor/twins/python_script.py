"""A script in Python: rules as data, and a function that is asked where no rule fits.

The file is run once, when it is read. What its function raises later is an error in the provider's
own shape, which names file, line and exception.
"""

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from attractor.base.dataclasses import dataclass
from attractor.twins.answer import Answer
from attractor.twins.conversation import Conversation
from attractor.twins.errors import Rejection, ScriptError
from attractor.twins.toml_mistakes import Mistakes, validated

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
        mistakes = Mistakes("", f"{self.path}: what {_ANSWER} returned")
        made = validated(Answer, found, mistakes)
        if made is None:
            raise self._failed(mistakes.told())
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
