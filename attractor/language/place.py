"""An unexpected token with what stands around it."""

from collections.abc import Sequence

from attractor.language.braces import Braces
from attractor.language.findings import Change, Findings
from attractor.language.tokens import Token
from attractor.language.wording import quote


class Place:
    """Where in a text something is wrong."""

    def __init__(
        self, findings: Findings, tokens: Sequence[Token], at: int, braces: Braces
    ) -> None:
        self.text = findings.source.text
        self.tokens, self.at = tokens, at
        self.token = tokens[at]
        self.braces = braces
        self._findings = findings

    @property
    def before(self) -> str:
        """The type of the token before; empty at the beginning of the text."""
        return self.tokens[self.at - 1].type if self.at else ""

    @property
    def after(self) -> str:
        """The type of the token behind; empty at the end of the text."""
        return self.tokens[self.at + 1].type if self.at + 1 < len(self.tokens) else ""

    @property
    def written(self) -> str:
        """The token as it stands in the text."""
        return self.text[self.token.start : self.token.end]

    @property
    def named(self) -> str:
        """The token in quotes, or the number of a letter that nobody can see."""
        first = self.written[:1]
        is_seen = first.isprintable()
        return quote(self.written) if is_seen else f"the invisible letter U+{ord(first):04X}"

    @property
    def written_before(self) -> str:
        """The token before as it stands in the text."""
        return self.text[self.tokens[self.at - 1].start : self.tokens[self.at - 1].end]

    def is_told(self, token: Token) -> bool:
        """Tell whether something is said of a token already."""
        span = self._findings.source.span(token.start, token.end)
        return any(one.span == span for one in self._findings.diagnostics)

    def report(self, message: str, fix: str, edit: Change | None = None) -> None:
        """Note the mistake at the token."""
        self.report_at(self.token.start, self.token.end, message, fix, edit)

    def report_near(self, distance: int, message: str, fix: str) -> None:
        """Note the mistake at a token some way before or behind."""
        near = self.tokens[self.at + distance]
        self.report_at(near.start, near.end, message, fix)

    def begins_a_line(self) -> bool:
        """Tell whether a line ends between the token before and this one."""
        return "\n" in self.text[self.tokens[self.at - 1].end : self.token.start]

    def stands_alone(self) -> bool:
        """Tell whether there are blanks around the token."""
        start, end = self.token.start, self.token.end
        return self.text[start - 1 : start].isspace() and self.text[end : end + 1].isspace()

    def report_at(
        self, start: int, end: int, message: str, fix: str, edit: Change | None = None
    ) -> None:
        """Note the mistake between two offsets."""
        self._findings.mistake(message, start, end, fix=fix, edit=edit)
