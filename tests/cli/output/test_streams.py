import io

import pytest

from attractor.cli.output.streams import printable, show, wants_color
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


def test_file_is_printed_unchanged_unless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(HOSTILE, is_file=True)
    assert capsys.readouterr().out == f"{HOSTILE}\n"
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    show(HOSTILE, is_file=True)
    assert terminal.getvalue() == f"{printable(HOSTILE)}\n"
