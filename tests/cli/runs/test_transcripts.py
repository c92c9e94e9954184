"""Transcripts of agents, as lines for people."""

from attractor.cli.runs.transcripts import entry_lines, painter
from attractor.records.transcript import EntryKind, TranscriptEntry


def test_cut_output_names_the_file_with_the_whole_of_it() -> None:
    place = "[... 500 characters omitted; whole text in text-1.txt of the stage's folder ...]"
    lines = [str(number) for number in range(20)]
    body = [*lines, place, *lines]
    shown = [one.strip() for one in entry_lines(TranscriptEntry(EntryKind.OUTPUT, body=body))]
    assert shown[6:8] == ["... 29 lines omitted ...", place]
    assert (len(shown), shown[-1]) == (14, "19")
    plain = entry_lines(TranscriptEntry(EntryKind.OUTPUT, body=lines))
    assert (len(plain), plain[6].strip()) == (13, "... 8 lines omitted ...")


def test_escapes_of_an_agent_hide_no_text() -> None:
    hostile = "\x1b[8mhidden"
    entry = TranscriptEntry(EntryKind.CALL, title=hostile, body=[hostile], subagent=hostile)
    shown = "".join(entry_lines(entry, painter(True)))
    assert "\x1b[36m" in shown
    assert "\x1b[8m" not in shown
