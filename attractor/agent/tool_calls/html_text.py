"""Reduces HTML to text: paragraphs, headings, lists, preformatted text and links."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

_HIDDEN = {"script", "style", "noscript", "template", "svg", "iframe"}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "dd", "div", "dl", "dt", "fieldset"),
    *("figcaption", "figure", "footer", "form", "header", "hr", "main", "nav", "ol", "p", "pre"),
    *("section", "table", "title", "tr", "ul"),
}
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}


def html_to_text(html: str, url: str) -> str:
    """Return the text of a page; links are relative to the URL of the page."""
    reader = _Reader(url)
    reader.feed(html)
    # An incomplete tag or comment at the end is not text. To read it as text, the parser would
    # search the rest of the page once for each `<`.
    if not reader.rawdata.startswith("<"):
        reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Collects the visible text of a page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._pieces: list[str] = []
        # The outermost hidden element, and how deeply it contains itself.
        self._hidden, self._depth = "", 0
        self._preformatted = 0
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden = self._hidden or tag
            self._depth += tag == self._hidden
        elif tag in _HEADINGS:
            self._pieces.append(f"\n\n{_HEADINGS[tag]} ")
        elif tag in _BLOCKS:
            self._pieces.append("\n\n" if tag in ("p", "pre") else "\n")
        elif tag == "li":
            self._pieces.append("\n- ")
        elif tag in ("td", "th"):
            self._pieces.append("\t")
        elif tag == "br":
            self._pieces.append("\n")
        elif tag == "a":
            self._link = dict(attrs).get("href") or ""
        self._preformatted += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._depth -= 1
            self._hidden = tag if self._depth else ""
        elif tag == "a" and self._link:
            target = urljoin(self._url, self._link)
            if target.startswith(("http://", "https://")):
                self._pieces.append(f" ({target})")
            self._link = ""
        elif tag in _BLOCKS or tag in _HEADINGS:
            self._pieces.append("\n")
        self._preformatted -= tag == "pre" and self._preformatted > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data if self._preformatted else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """Return the text, with at most one empty line in a row."""
        lines = (line.rstrip(" \t") for line in "".join(self._pieces).split("\n"))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
