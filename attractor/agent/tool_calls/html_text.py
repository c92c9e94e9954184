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
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Collects the visible text of a page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._pieces: list[str] = []
        self._hidden: list[str] = []
        self._preformatted = 0
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
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
        if tag in self._hidden:
            # An unclosed element inside ends as well.
            del self._hidden[self._hidden.index(tag) :]
        elif tag == "a" and self._link:
            self._end_link()
        elif tag in _BLOCKS or tag in _HEADINGS:
            self._pieces.append("\n")
        self._preformatted -= tag == "pre" and self._preformatted > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data if self._preformatted else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """Return the text, with at most one empty line in a row."""
        text = re.sub(r"[ \t]+\n", "\n", "".join(self._pieces))
        return re.sub(r"\n{3,}", "\n\n", text).strip()

    def _end_link(self) -> None:
        target = urljoin(self._url, self._link)
        if target.startswith(("http://", "https://")):
            self._pieces.append(f" ({target})")
        self._link = ""
