"""Regular expressions that are compiled at first use, and those of RE2.

RE2 searches texts of models and candidates in linear time: Python's own `re` would need exponential
time for some of these texts.
"""

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, AnyStr, cast

REMEDY = (
    "write it as in https://github.com/google/re2/wiki/Syntax, without look-around and back "
    "references"
)


def compile_linear(pattern: str, **options: bool) -> Any:
    """Compile a pattern that searches UTF-8, or raise ValueError with the reason."""
    # Only few commands have patterns.
    import re2  # pyright: ignore[reportMissingTypeStubs]

    library: Any = re2
    chosen = library.Options()
    for name, value in {"log_errors": False, **options}.items():
        setattr(chosen, name, value)
    try:
        return library.compile(pattern.encode("utf-8", "replace"), chosen)
    except library.error as error:
        raise ValueError(error.args[0].decode("utf-8", "replace")) from error


@lru_cache(maxsize=256)
def linear_search(pattern: str, **options: bool) -> Callable[[str], bool]:
    """Return a function that searches a text, or raise ValueError with the reason and the remedy.

    A final newline can be ignored.
    """
    try:
        search = compile_linear(pattern, **options).search
    except ValueError as error:
        raise ValueError(f"invalid regular expression: {error}; {REMEDY}") from error

    def matches(text: str) -> bool:
        encoded = text.encode("utf-8", "replace")
        # RE2's `$` does not match before a final newline, which most output of commands has.
        return bool(search(encoded) or encoded.endswith(b"\n") and search(encoded[:-1]))

    return matches


def late_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern that is compiled when it is first used.

    Compiling all patterns at import took a third of the calls of a run that uses few of them.
    """
    return cast("re.Pattern[AnyStr]", _LatePattern(text, flags))


class _LatePattern:
    def __init__(self, text: Any, flags: int) -> None:
        self._arguments = text, flags
        self.pattern = text

    @cached_property
    def _compiled(self) -> Any:
        return re.compile(*self._arguments)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the pattern, which is found here the next time."""
        found = getattr(self._compiled, name)
        setattr(self, name, found)
        return found
