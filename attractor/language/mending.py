"""Makes a text readable in which quotes are wrong or missing, or invisible letters stand.

One wrong quote hides all the mistakes behind it. What is put in place of what is wrong is as long
as that, so everything stands where it stood.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from attractor.language.findings import Change, Findings
from attractor.language.invisible import invisible_letters, named
from attractor.language.loose_ends import LooseEnd, find_loose_ends
from attractor.language.loose_sentences import report_loose_end, whole_instead
from attractor.language.patterns import SMART_QUOTES
from attractor.language.quotes import Fault, Slip, find_slips
from attractor.language.sources import Source
from attractor.language.wording import quote

_HIDING = str.maketrans({'"': "_", "\\": "_"})


def mend(source: Source) -> Findings | None:
    """Return a readable text with what was wrong in it; None when there is nothing of the kind."""
    text, slips, loose = _look(source.text)
    unseen = [Change(*place, "") for place in invisible_letters(text)]
    if not slips and not loose and not unseen:
        return None
    text = _replaced(text, [_blank(text, one) for one in unseen])
    findings = Findings(Source(text, source.file))
    for slip in _each_once(slips):
        _report(findings, source.text, slip)
    for one in loose:
        report_loose_end(findings, source.text, one)
    for one in unseen:
        message = f"an invisible letter stands here: {named(source.text[one.start])}"
        findings.mistake(message, one.start, one.end, fix="take it away", edit=one)
    return findings


class _Look(NamedTuple):
    """A text with all in its place, the slips that were in it, and what was loose."""

    text: str
    slips: Sequence[Slip] = ()
    loose: Sequence[LooseEnd] = ()


def _look(text: str) -> _Look:
    """Find what is wrong. A wrong quote turns what is behind it inside out, so it comes first.

    Unless there is none besides those within a text that has other quotes.
    """
    tied = _tied(text)
    slips = find_slips(text) if '"' in text else ()
    if not slips or (tied.loose and not find_slips(tied.text)):
        return tied
    tied = _tied(_replaced(text, [_instead(text, slip) for slip in slips]))
    return tied._replace(slips=slips)


def _tied(text: str) -> _Look:
    loose = list(find_loose_ends(text))
    return _Look(_replaced(text, [whole_instead(text, one) for one in loose]), (), loose)


def _replaced(text: str, changes: Iterable[Change]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end, instead in sorted(changes):
        if start >= done:
            pieces += [text[done:start], instead]
            done = end
    return "".join([*pieces, text[done:]])


def _instead(text: str, slip: Slip) -> Change:
    """Put a whole text in place of one that lacks a quote, and a quote of no meaning within one."""
    inside = text[slip.start + 1 : slip.end - 1].translate(_HIDING)
    whole = f'"{inside}"' if slip.end - slip.start > 1 else "_"
    return Change(slip.start, slip.end, "'" if slip.fault is Fault.INNER else whole)


def _blank(text: str, change: Change) -> Change:
    around = text[change.start - 1 : change.start], text[change.end : change.end + 1]
    is_within_a_word = all(one.isalnum() or one == "_" for one in around)
    return change._replace(text=("_" if is_within_a_word else " ") * (change.end - change.start))


def _each_once(slips: Iterable[Slip]) -> Iterable[Slip]:
    """Return the slips, and of the quotes within one text the first."""
    first: dict[tuple[Fault, int], Slip] = {}
    for slip in slips:
        first.setdefault((slip.fault, slip.text), slip)
    return first.values()


def _report(findings: Findings, text: str, slip: Slip) -> None:
    start, end = slip.start, slip.end
    smart = next((at for at in (start, end - 1) if text[at] in SMART_QUOTES), None)
    if smart is not None:
        message = "these are not the quotes of a keyboard"
        findings.mistake(message, smart, smart + 1, fix='write "')
    elif slip.fault is Fault.INNER:
        fix = 'write \\" within a text'
        findings.mistake("this quote ends the text too early", start, end, fix=fix)
    elif slip.fault is Fault.UNOPENED:
        fix = f'put a " before {quote(text[start : end - 1].splitlines()[0])}'
        findings.mistake("this text has no quote at its beginning", start, end, fix=fix)
    else:
        findings.mistake("this text is never closed", start, start + 1, fix='put a " at its end')
