"""Output for a terminal as HTML: colours become classes, other escape sequences are removed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from markupsafe import Markup, escape

from attractor.base.dataclasses import dataclass
from attractor.base.escapes import ESCAPE
from attractor.language.source.text import visible

# Black and white are the colour of the text, which differs by theme.
_HUES = ("", "red", "green", "yellow", "blue", "magenta", "cyan", "")
_COLORS = {39: "", **dict(enumerate(_HUES, 30)), **dict(enumerate(("grey", *_HUES[1:]), 90))}
_BACKGROUNDS = {
    49: "",
    **{at + begin: hue or "grey" for begin in (40, 100) for at, hue in enumerate(_HUES)},
}
_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_OFF = {22: {"bold", "dim"}, 23: {"italic"}, 24: {"underline"}, 27: {"inverse"}, 29: {"strike"}}


@dataclass(frozen=True)
class Style:
    """The look of a text: colour and background by name, and flags such as `bold`."""

    color: str = ""
    background: str = ""
    flags: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        """The classes of an element.

        A text on a background has the plain colour: no pair of colours is hard to read.
        """
        background = (self.color or "grey") if "inverse" in self.flags else self.background
        color = self.color or ("grey" if "dim" in self.flags else "")
        names = [f"on-{background}" if background else color]
        names += sorted(self.flags - {"dim", "inverse"})
        return " ".join(f"ansi-{name}" for name in names if name)

    def after(self, rendition: str) -> "Style":
        """Return the style after the parameters of "select graphic rendition" (ECMA-48)."""
        style = self
        groups = iter([[int(part or 0) for part in one.split(":")] for one in rendition.split(";")])
        for code, *rest in groups:
            if code in (38, 48):
                hue = _hue(rest or _more(groups))
                style = replace(style, color=hue) if code == 38 else replace(style, background=hue)
            elif code in _COLORS:
                style = replace(style, color=_COLORS[code])
            elif code in _BACKGROUNDS:
                style = replace(style, background=_BACKGROUNDS[code])
            elif code in _OFF or (code, rest) == (4, [0]):
                style = replace(style, flags=style.flags - _OFF.get(code, {"underline"}))
            elif code in _ON:
                style = replace(style, flags=style.flags | {_ON[code]})
            elif code == 0:
                style = PLAIN
        return style


PLAIN = Style()
"""The style at the beginning of an output."""


class Run(NamedTuple):
    """A piece of a text in one style."""

    text: str
    style: Style


def _more(groups: Iterator[Sequence[int]]) -> Sequence[int]:
    """Take the colour that follows 38 or 48 in groups of its own: `5;N` or `2;R;G;B`."""
    kind = next(groups, [0])[0]
    return [kind, *(next(groups, [0])[0] for _ in range({2: 3, 5: 1}.get(kind, 0)))]


def _hue(color: Sequence[int]) -> str:
    """Return the name of the hue that is nearest to a colour of 256, or of three channels."""
    match color:
        case [2, *_, red, green, blue]:
            channels = (red, green, blue)
        case [5, number] if number < 16:
            return _COLORS[number + (30 if number < 8 else 82)]
        case [5, number] if number < 232:
            levels = ((number - 16) // size % 6 for size in (36, 6, 1))
            channels = tuple(level and 55 + 40 * level for level in levels)
        case [5, number] if number < 256:
            return "grey" if number < 250 else ""
        case _:
            return ""
    least, most = min(channels), max(channels)
    if most - least < 40:
        return "grey" if 60 < most < 200 else ""
    middle = (least + most) / 2
    return _HUES[sum((channel > middle) << at for at, channel in enumerate(channels))]


def runs(text: str, style: Style = PLAIN) -> Iterator[Run]:
    """Yield the pieces of a text that begins in a style; the last one, maybe empty, has the final
    style.
    """
    at = 0
    for found in ESCAPE.finditer(text):
        yield Run(text[at : found.start()], style)
        if (rendition := found["rendition"]) is not None:
            style = style.after(rendition)
        at = found.end()
    yield Run(text[at:], style)


def render(pieces: Iterable[Run], sought: re.Pattern[str] | None = None) -> Markup:
    """Return the pieces of a line as HTML, in which the matches of a pattern are marked."""
    shown = [Run(visible(text), style) for text, style in pieces if text]
    line = "".join(text for text, _ in shown)
    marks = [found.span() for found in sought.finditer(line)] if sought else []
    html: list[str] = []
    begin = 0
    for text, style in shown:
        end = begin + len(text)
        # A mark may begin in one piece and end in another.
        cuts = [min(max(at, begin), end) for mark in marks for at in mark]
        bounds = zip([begin, *cuts], [*cuts, end], strict=True)
        parts = [escape(line[start:stop]) for start, stop in bounds]
        parts[1::2] = [Markup(f"<mark>{part}</mark>") if part else part for part in parts[1::2]]
        inside = Markup().join(parts)
        classes = style.classes
        html.append(f'<span class="{classes}">{inside}</span>' if classes else inside)
        begin = end
    return Markup("".join(html))
