import base64
from typing import Any

import pytest

from attractor.twins.errors import Rejection
from attractor.twins.wires.gemini_request import is_signature, read_body, sign, sign_thought
from tests.tables import table

TEXTS = ["", "größe", "??>>~~", "x" * 100]


@table("text", TEXTS)
def test_a_signature_comes_back_in_either_alphabet(text: str) -> None:
    for signature, thought in ((sign(text), None), (sign_thought(text), text)):
        raw = base64.b64decode(signature, validate=True)
        for back in (signature, base64.urlsafe_b64encode(raw).decode(), signature.rstrip("=")):
            assert is_signature(back, thought=thought)


def test_media_may_be_in_either_alphabet_without_padding() -> None:
    data = base64.b64encode(b"\xfb\xff\xfe!").decode()
    url_safe = data.replace("+", "-").replace("/", "_")
    for text, is_valid in (
        *((one, True) for one in (data, data.rstrip("="), url_safe, url_safe.rstrip("="))),
        *((one, False) for one in ("", "é", "a", "not base64!")),
    ):
        image: Any = {"inlineData": {"mimeType": "image/png", "data": text}}
        result: Any = {"functionResponse": {"name": "f", "response": {}, "parts": [image]}}
        call: Any = {"functionCall": {"name": "f"}}
        for contents in (
            [{"role": "user", "parts": [image]}],
            [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}],
        ):
            body: Any = {"model": "gemini-2.5-pro", "contents": contents}
            if is_valid:
                assert read_body(body)
            else:
                with pytest.raises(Rejection, match="invalid inline data"):
                    read_body(body)


def test_signature_of_another_text_is_rejected() -> None:
    assert not is_signature(sign_thought("a"), thought="b")
    assert not is_signature(sign_thought("a"))
    assert not is_signature(sign("a"), thought="a")
    for broken in ("", "x", "é", "AAAA", sign("a")[:-5] + "AAAA="):
        assert not is_signature(broken)
        assert not is_signature(broken, thought="a")


def test_signature_that_skips_validation_is_accepted() -> None:
    word = b"skip_thought_signature_validator"
    for said in (word.decode(), base64.urlsafe_b64encode(word).decode()):
        assert is_signature(said)
        assert is_signature(said, thought="a")
