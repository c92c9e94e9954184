import base64

import pytest

from attractor.twins.wires.gemini_request import is_signature, sign, sign_thought

TEXTS = ["", "größe", "??>>~~", "x" * 100]


@pytest.mark.parametrize("text", TEXTS)
def test_a_signature_comes_back_in_either_alphabet(text: str) -> None:
    for signature, thought in ((sign(text), None), (sign_thought(text), text)):
        raw = base64.b64decode(signature, validate=True)
        for back in (signature, base64.urlsafe_b64encode(raw).decode(), signature.rstrip("=")):
            assert is_signature(back, thought=thought)


def test_signature_of_another_text_is_rejected() -> None:
    assert not is_signature(sign_thought("a"), thought="b")
    assert not is_signature(sign_thought("a"))
    assert not is_signature(sign("a"), thought="a")
    for broken in ("", "x", "é", "AAAA", sign("a")[:-5] + "AAAA="):
        assert not is_signature(broken)
        assert not is_signature(broken, thought="a")


def test_a_call_made_elsewhere_may_say_so() -> None:
    word = b"skip_thought_signature_validator"
    for said in (word.decode(), base64.urlsafe_b64encode(word).decode()):
        assert is_signature(said)
        assert is_signature(said, thought="a")
