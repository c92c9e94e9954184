"""Regular expressions of RE2, which search texts of models and candidates in linear time.

Python's own `re` would need exponential time for some of these texts.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

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
