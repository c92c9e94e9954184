"""The lines of a formatted text, as they grow."""

from collections.abc import Iterable

from attractor.language.comments import Comment, comments_between
from attractor.language.words import margin


class Lines:
    """Lines, each behind its margin; comments and blank lines of the text go along."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[str] = []
        self._depth = 0
        # How far the text has been taken over.
        self._at = 0
        # Nothing precedes the first line, and a brace that opens wants no blank line behind it.
        self._may_be_blank = False
        # Whatever was put behind a comment of one line would be part of it.
        self._is_closed = False

    def add(self, line: str, start: int, end: int, *, within: Iterable[Comment] = ()) -> None:
        """Add what stands between two offsets; comments within it get lines of their own before."""
        self._take_comments(start)
        for comment in within:
            self._put(comment.written, start)
            self._at = start
        self._put(line, start)
        self._at = end

    def skip(self, start: int, end: int) -> None:
        """Leave out what stands between two offsets; the comments before it stay."""
        self._take_comments(start)
        self._at = end

    def deeper(self) -> None:
        """Let what follows stand deeper."""
        self._depth += 1
        self._may_be_blank = False

    def close(self, start: int, end: int) -> None:
        """Add the brace that ends what stands deeper."""
        self._take_comments(start)
        self._depth -= 1
        self._may_be_blank = False
        self._put("}", start)
        self._at = end

    def finish(self) -> str:
        """Return the whole, with the comments behind the last line."""
        self._take_comments(len(self._text))
        return "\n".join(self._lines) + "\n" if self._lines else ""

    def _take_comments(self, until: int) -> None:
        """Add the comments up to an offset: behind the last line, or each on a line of its own."""
        for comment in comments_between(self._text, self._at, until):
            if self._is_on_the_line_before(comment):
                self._lines[-1] += f"  {comment.written}"
            else:
                self._put(comment.written, comment.start)
            self._is_closed = comment.written.startswith("//")
            self._at = comment.end

    def _is_on_the_line_before(self, comment: Comment) -> bool:
        if not self._lines or self._is_closed:
            return False
        return "\n" not in self._text[self._at : comment.start]

    def _put(self, line: str, start: int) -> None:
        if self._may_be_blank and self._text.count("\n", self._at, start) > 1:
            self._lines.append("")
        self._lines.append(margin(self._depth) + line)
        self._is_closed = False
        self._may_be_blank = True
