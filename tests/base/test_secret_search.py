import json
from base64 import encodebytes
from textwrap import fill

from hypothesis import given, strategies as st

from attractor.base.secret_search import SecretSearch
from tests.tables import table

SECRET = 'Kx7/+? "va\\lue" öä-012345678901'
LINES = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"


@table("line_break", ["\n", "\r\n", "\n    ", "\n\t", "\n\n"])
def test_secret_is_found_across_a_line_break(line_break: str) -> None:
    content = SECRET.encode()
    forms = [SECRET, content.hex(), content.hex().upper(), encodebytes(content).decode().strip()]
    search = SecretSearch([SECRET])
    for form in forms:
        for at in range(1, len(form)):
            text = form[:at] + line_break + form[at:]
            assert search.replace(f"so {text}, and", "*") == "so *, and"
            written = text
            for _ in range(2):
                written = json.dumps(written)
                assert search.may_find(written)
            assert json.loads(search.replace(json.dumps(f"so {text}."), "*")) == "so *."


def test_wrapped_text_of_a_secret_is_found() -> None:
    search = SecretSearch([LINES])
    for text in (LINES, encodebytes(LINES.encode()).decode(), fill(LINES.encode().hex(), 20)):
        # Base64 padding may remain.
        assert search.replace(text.strip(), "*").removesuffix("o=") in ("*", "*\n*\n*\n*")


@given(st.text("ab\\nr\n\r %", max_size=40), st.sampled_from(["abab%abab", "nab\\nabr", "ab b"]))
def test_no_secret_remains(text: str, secret: str) -> None:
    search = SecretSearch([secret])
    redacted = search.replace(text, "*")
    if len(secret) >= 8:
        assert secret not in redacted
    assert search.replace(redacted, "*") == redacted or "\n" in text or "\\" in text
    assert bool(search.spans(text)) == (redacted != text)
