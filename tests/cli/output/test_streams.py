import io

import pytest

from attractor.cli.output.streams import wants_color


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
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
