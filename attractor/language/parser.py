"""Reads a text by the grammar of `dot.lark`, token by token."""

from typing import NamedTuple

from attractor.language import when_needed
from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.findings import Findings
from attractor.language.lalr import Machine, Unexpected
from attractor.language.portability import NOTED, note_pair, note_portability
from attractor.language.sources import Source
from attractor.language.syntax import Digraph
from attractor.language.tokens import Token, scan


class Parsed(NamedTuple):
    """What a text says, and what is to be said about it; no digraph when a mistake is in it.

    `readable` is what could be read all the same.
    """

    digraph: Digraph | None
    diagnostics: tuple[Diagnostic, ...]
    readable: Digraph | None = None


def parse_source(source: Source) -> Parsed:
    """Read a text whole, and note every mistake in it."""
    findings = Findings(source)
    digraph = _read(findings)
    if digraph is None or any(one.is_error for one in findings.diagnostics):
        return _read_with_mistakes(source)
    note_portability(findings)
    return Parsed(digraph, in_order(findings.diagnostics), digraph)


def _read(findings: Findings) -> Digraph | None:
    """Read a text up to its end; nothing when the grammar expects something else somewhere.

    No token is kept: in a large text they would take as much room as all that is made of them.
    """
    feed, built = Machine().feed, None
    before: Token | None = None
    try:
        for token in scan(findings):
            built = feed(token)
            if before is not None and (before[0], token[0]) in NOTED:
                note_pair(before, token, findings)
            before = token
    except Unexpected:
        return None
    return built if isinstance(built, Digraph) else None


def _read_with_mistakes(source: Source) -> Parsed:
    """Read a text again, going on after each mistake; one wrong quote hides all behind it."""
    findings = when_needed.mend(source) or Findings(source)
    readable = when_needed.recover(findings)
    # Around a mistake much looks odd that is not.
    mistakes = (one for one in findings.diagnostics if one.is_error)
    return Parsed(None, in_order(mistakes), readable)
