"""Says what is wrong where the grammar expects something else, and finds where to go on."""

from attractor.language.braces import Braces, Held
from attractor.language.findings import Findings
from attractor.language.head_mistakes import brace_of_head, means_digraph, stands_for_a_brace
from attractor.language.lalr import Machine, Unexpected
from attractor.language.mistakes import SECOND_GRAPH, Part, explain, explain_early_end
from attractor.language.place import Place
from attractor.language.recovery import next_statement
from attractor.language.syntax import Digraph, Identifier
from attractor.language.tokens import END, Token, scan

_MISTAKE = "MISTAKE"


def recover(findings: Findings) -> Digraph | None:
    """Read a text and note each mistake; return nothing when the text ends in the middle."""
    return _Recovering(findings).read()


class _Recovering:
    """A walk through the grammar that goes on behind mistakes, at the next statement."""

    def __init__(self, findings: Findings) -> None:
        self._tokens = list(scan(findings))
        self._findings = findings
        self._machine = Machine()
        self._mistaken = -1
        self._braces = Braces(self._tokens, findings.source.text)

    def read(self) -> Digraph | None:
        at, built = 0, None
        while at < len(self._tokens):
            try:
                built = self._machine.feed(self._tokens[at])
                at += 1
            except Unexpected:
                at = self._go_on(at)
        return built if isinstance(built, Digraph) else None

    def _go_on(self, at: int) -> int:
        """Say what is wrong at a token; return where to go on, which may be the end."""
        place = Place(self._findings, self._tokens, at, self._braces)
        if self._machine.expects_only(END):
            return self._recover_behind(place)
        if self._machine.is_behind(self._tokens[at - 1]) and place.before == "_CLOSE":
            # A subgraph is whole, whatever is wrong behind it.
            explain(place, Part.BODY)
            return self._pass_over(at)
        depth = self._machine.depth_for(_MISTAKE)
        if not depth:
            explain(place, Part.HEAD)
            return self._recover_head(place)
        explain(place, Part.BODY)
        self._machine.cut(depth)
        return self._pass_over(at)

    def _pass_over(self, at: int) -> int:
        """Put a MISTAKE in place of the statement, and go on at the next one."""
        self._machine.feed(Token(_MISTAKE, 0, 0))
        token, text = self._tokens[at], self._findings.source.text
        if token.type == "_OPEN" and self._braces.held(at) is Held.STATEMENTS:
            word = Identifier("subgraph", self._findings.source.span(token.start, token.start))
            self._machine.feed(Token("SUBGRAPH", token.start, token.start, word))
            return at
        # A token may be wrong in one statement and begin the next; it is not tried a third time.
        first = at + 1 if at == self._mistaken else at
        self._mistaken = at
        at = next_statement(self._tokens, first, at, text)
        return at if self._tokens[at].type != END else len(self._tokens)

    def _recover_behind(self, place: Place) -> int:
        """Go on in the graph if it seems to have ended too early."""
        is_another = place.token.type in SECOND_GRAPH or place.token.type == "_CLOSE"
        if not is_another and self._braces.is_left_open_before(place.at):
            explain_early_end(place)
            self._machine.take_back()
            return place.at
        explain(place, Part.BEHIND)
        return len(self._tokens)

    def _recover_head(self, place: Place) -> int:
        """Go on after a wrong word before the graph's brace, if it is clear how."""
        if self._machine.is_at_beginning:
            if place.token.type == "STRICT":
                return place.at + 1
            if place.token.type == "GRAPH" or means_digraph(place.token):
                self._machine.feed(place.token._replace(type="DIGRAPH"))
                return place.at + 1
            return len(self._tokens)
        brace = brace_of_head(place)
        if brace or place.token.type == END:
            return brace or len(self._tokens)
        self._machine.feed(Token("_OPEN", place.token.start, place.token.start))
        if stands_for_a_brace(place):
            return place.at + 1
        return next_statement(self._tokens, place.at, place.at, self._findings.source.text)
