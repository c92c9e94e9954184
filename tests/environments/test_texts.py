"""What counts as text."""

import pytest

from attractor.environments.errors import NotText
from attractor.environments.texts import decode_text, printable


def test_the_first_bad_byte_is_named() -> None:
    with pytest.raises(NotText, match="from byte 2 on"):
        decode_text(b"ab\xff", "file")


def test_a_name_becomes_text_that_can_be_sent() -> None:
    assert printable("a\udce9 ü") == "a\ufffd ü"
    printable("a\udce9").encode()
