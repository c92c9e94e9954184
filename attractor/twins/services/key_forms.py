"""Finds a key in a text in every way it may be written there: plain, `%2D`, or JSON's `\\u002d`."""

import re
from collections.abc import Iterable, Sequence

from attractor.twins.hidden_keys import HIDDEN

# A quote, a stroke and a backslash stand behind as many backslashes as there is JSON in JSON.
_ESCAPED = '"/\\'
_MARKS = re.compile(r"[%\\+]")


class KeyFinder:
    """Hides keys wherever they occur."""

    def __init__(self, keys: Iterable[str]) -> None:
        # The longest first, for one may begin another.
        self._keys = sorted({*keys} - {""}, key=lambda one: (-len(one), one))
        self._patterns: Sequence[re.Pattern[str]] | None = None

    def hide(self, text: str) -> str:
        """Return a text without the keys."""
        for key in self._keys:
            text = text.replace(key, HIDDEN)
        # Most texts have nothing in them that could stand for something else.
        if not _MARKS.search(text):
            return text
        if self._patterns is None:
            self._patterns = [re.compile(_written(key)) for key in self._keys]
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text


def _written(key: str) -> str:
    return "".join(_forms(one) for one in key)


def _forms(character: str) -> str:
    """Return what matches a character in a text, in an address, and in JSON."""
    behind = r"\\*" if character in _ESCAPED else ""
    forms = [
        behind + re.escape(character),
        "".join(rf"%(?:25)*{_hex(one)}" for one in character.encode("utf-8", "surrogatepass")),
        _in_json(character),
        *([r"\+"] if character == " " else []),
    ]
    return f"(?:{'|'.join(forms)})"


def _in_json(character: str) -> str:
    pair = character.encode("utf-16-be", "surrogatepass")
    units = [pair[at : at + 2] for at in range(0, len(pair), 2)]
    return "".join(rf"\\\\*u{_hex(unit[0])}{_hex(unit[1])}" for unit in units)


def _hex(byte: int) -> str:
    digits = f"{byte:02x}"
    return "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in digits)
