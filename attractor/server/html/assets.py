"""The static files of the pages: style sheets, scripts and icons."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from markupsafe import Markup

from attractor.server.drawings import drawing_style_sheet
from attractor.server.html.states import LOOKS

_PAGES = "attractor.server.pages"

DRAWING_CSS = "drawing.css"
"""The style sheet of drawings, made from the colours of their themes."""

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The media types of static files by extension."""


def _folder(name: str) -> Traversable:
    return files(_PAGES).joinpath(name)


@cache
def static_files() -> Mapping[str, bytes]:
    """Return all static files by name."""
    found = {path.name: path.read_bytes() for path in _folder("static").iterdir() if path.is_file()}
    made = {DRAWING_CSS: drawing_style_sheet(), **_favicons(found["pages.css"].decode())}
    return {**dict(sorted(found.items())), **{name: text.encode() for name, text in made.items()}}


def _favicons(style_sheet: str) -> Mapping[str, str]:
    """Return an icon for each state of a page: its sign, in the colour of its tone."""
    colours = dict(re.findall(r"--(\w+): light-dark\((#\w+),", style_sheet.partition("}")[0]))
    colours["off"] = colours["idle"]
    return {
        look.favicon: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" '
        f'color="{colours[look.tone]}" stroke="currentColor" stroke-width="2.2" '
        f'stroke-linecap="round" stroke-linejoin="round">{icon_content(look.icon)}</svg>'
        for look in sorted(LOOKS, key=lambda look: look.favicon)
    }


@cache
def static_version() -> str:
    """Return a short hash of all static files.

    One hash for all files, because scripts import each other by relative addresses.
    """
    found = hashlib.sha256()
    for name, content in static_files().items():
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:16]


def static_address(name: str) -> str:
    """Return the address of a static file."""
    if name not in static_files():
        raise LookupError(f"no static file {name}")
    return f"/static/{static_version()}/{name}"


@cache
def icon(name: str) -> Markup:
    """Return an icon as SVG to insert into a page; hidden from screen readers."""
    text = _folder("icons").joinpath(f"{name}.svg").read_text()
    return Markup(text.strip().replace("<svg ", '<svg class="icon" aria-hidden="true" ', 1))


@cache
def icon_content(name: str) -> str:
    """Return the content of an icon, for an SVG of 16 by 16 in a drawing."""
    text = _folder("icons").joinpath(f"{name}.svg").read_text().strip()
    return text[text.index(">") + 1 : text.rindex("<")]


def inline_style_sheet() -> Markup:
    """Return the style sheet of all pages, for a file without a server."""
    sheets = ("pages.css", "run.css", DRAWING_CSS)
    return Markup("\n".join(static_files()[sheet].decode() for sheet in sheets))
