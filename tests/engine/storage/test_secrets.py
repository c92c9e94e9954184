import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from attractor.engine.storage.secrets import PLACEHOLDER, Redactor

SECRET = "s3cr3t/+? value"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        b64encode(SECRET.encode()).decode(),
        urlsafe_b64encode(b"\xff\xfe" + SECRET.encode()).decode(),
        b64encode(f"user:{SECRET}".encode()).decode(),
        b64encode(f"me:{SECRET}!".encode()).decode(),
    ],
)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    redacted = Redactor([SECRET]).text(f"<{form}>")
    assert PLACEHOLDER in redacted
    assert form not in redacted


@given(st.binary(max_size=7), st.binary(max_size=7), st.text("abcXYZ+/=?", min_size=8))
def test_no_encoding_of_it_gets_through(before: bytes, after: bytes, secret: str) -> None:
    encoded = b64encode(before + secret.encode() + after).decode()
    assert Redactor([secret]).text(encoded) != encoded


def test_telling_names_and_named_ones_count() -> None:
    environ = {
        "API_KEY": "aaaaaaaa",
        "x_password": "bbbbbbbb",
        "SHORT_TOKEN": "short",
        "KEYBOARD": "querty-layout",
        "MINE": "cccccccc",
    }
    redactor = Redactor.of_environment(environ, names=["MINE"], more=["dddddddd"])
    said = "aaaaaaaa bbbbbbbb short querty-layout cccccccc dddddddd"
    assert redactor.text(said) == "*** *** short querty-layout *** ***"


def test_the_longer_of_two_secrets_goes_whole() -> None:
    assert Redactor(["password", "password-and-more"]).text("password-and-more") == PLACEHOLDER


def test_every_line_of_a_long_secret_counts() -> None:
    redactor = Redactor(["-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----\n"])
    assert redactor.text("got MIIEvQIBADANBg") == "got ***"


def test_json_is_redacted_in_keys_and_values() -> None:
    redacted = Redactor(["password"]).json({"password": ["a password", 7, None, True]})
    assert redacted == {"***": ["a ***", 7, None, True]}


def test_half_a_character_becomes_text() -> None:
    assert Redactor().text("a\ud800b") == "a\\ud800b"


@given(st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    redactor = Redactor(["redacted", "password"])
    once = redactor.text(text)
    assert redactor.text(once) == once


@pytest.mark.parametrize("secret", ['quote"and\\slash', "größer als acht"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_secret_is_found_as_json_writes_it(secret: str, is_ascii: bool) -> None:
    line = json.dumps({"said": f"It is {secret}."}, ensure_ascii=is_ascii)
    assert json.loads(Redactor([secret]).text(line)) == {"said": f"It is {PLACEHOLDER}."}
