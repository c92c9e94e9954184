import io
import sys

import pytest

from attractor.cli.output.streams import ProgressLine, printable, show, wants_color
from tests.tables import table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@table(
    ("choice", "environ", "stream", "wanted"),
    [
        ("always", {"NO_COLOR": "1"}, io.StringIO(), True),
        ("never", {}, Terminal(), False),
        ("auto", {}, Terminal(), True),
        ("auto", {}, io.StringIO(), False),
        ("auto", {"NO_COLOR": "1"}, Terminal(), False),
        ("auto", {"TERM": "dumb"}, Terminal(), False),
    ],
)
def test_color_is_for_terminals_by_default(
    choice: str, environ: dict[str, str], stream: io.StringIO, wanted: bool
) -> None:
    assert wants_color(choice, environ, stream) is wanted


HOSTILE = "\x1b]0;title\x07 \x1b[2J\x1b[31mred \x9b2J \u202ereversed \x08"


def test_text_of_others_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(HOSTILE)
    show(HOSTILE, err=True)
    for stream in capsys.readouterr():
        assert not set("\x1b\x07\x9b\u202e\x08") & set(stream)
    assert (
        printable("\x1b[32mok\x1b[0m \x1b[2J", True)
        == "\x1b[32mok\x1b[0m \N{REPLACEMENT CHARACTER}[2J"
    )


def test_colors_that_hide_text_are_replaced() -> None:
    for visible in ("", "0", "1;31", "01;31", "7", "39", "38;5;9", "1;38;5;14", "92", ";"):
        text = f"\x1b[{visible}mtext\x1b[0m"
        assert printable(text, True) == text
    for hidden in (
        *("8", "08", "1;8", "5", "6", "30", "37", "90", "97", "41", "31;41", "100", "48;5;1"),
        *("38;5;0", "38;5;15", "38;5;232", "38;5", "38;2;0;0;0", "31;38;2;0;0;0", "3;8", "58;5;1"),
    ):
        assert "\x1b" not in printable(f"\x1b[{hidden}m", True), hidden


def test_file_is_printed_unchanged_unless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(HOSTILE, is_file=True)
    assert capsys.readouterr().out == f"{HOSTILE}\n"
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    show(HOSTILE, is_file=True)
    assert terminal.getvalue() == f"{printable(HOSTILE)}\n"


def test_progress_is_one_line_of_a_terminal_and_nothing_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for stream, environ, said in (
        (Terminal(), {"TERM": "xterm"}, "\r\x1b[K1 of 2\r\x1b[K2 of 2\r\x1b[Kdone\n"),
        (Terminal(), {"TERM": "dumb"}, "done\n"),
        (io.StringIO(), {"TERM": "xterm"}, "done\n"),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        progress = ProgressLine(environ)
        progress.show("1 of 2")
        progress.show("2 of 2")
        progress.tell("done")
        assert stream.getvalue() == said
