import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from attractor.backends.registry import backend_registry
from attractor.base.json import JsonObject
from attractor.engine.journal.events import Action
from attractor.engine.outcome import FailureClass, StageStatus
from attractor.engine.questions.question import AnswerKind, QuestionKind
from attractor.engine.routing.edge_selection import RouteReason
from attractor.engine.state.run_state import StatusWord
from attractor.engine.storage.secrets import PLACEHOLDER, RECORD_WORDS, Redactor, is_unusable
from attractor.engine.walk.steps import InterruptionChoice
from attractor.interviewers.registry import interviewer_registry
from attractor.language.graph.graph import Fidelity
from tests.tables import table

SECRET = "s3cr3t/+? value"


@table(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
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
def test_secret_is_redacted_in_every_encoding(before: bytes, after: bytes, secret: str) -> None:
    encoded = b64encode(before + secret.encode() + after).decode()
    assert Redactor([secret]).text(encoded) != encoded


def test_secrets_are_found_by_variable_names_and_settings() -> None:
    environ = {
        "API_KEY": "aaaaaaaa",
        "x_password": "bbbbbbbb",
        "SHORT_TOKEN": "short",
        "KEYBOARD": "querty-layout",
        "MINE": "cccccccc",
    }
    redactor = Redactor.of_environment(environ, names=["MINE"], more=["dddddddd"])
    said = "aaaaaaaa bbbbbbbb short querty-layout cccccccc dddddddd"
    assert redactor.text(said) == "*** *** *** querty-layout *** ***"


def test_short_secret_is_replaced_as_a_word_only() -> None:
    redactor = Redactor(["short", "a1", "12345", "2026-11-21", " \n"])
    text = "shorter a1 12345 2026-11-21: 'short', to-short/ short_ \\nshort"
    expected = "shorter a1 12345 2026-11-21: '***', to-***/ short_ \\n***"
    assert redactor.text(text) == expected


def test_longer_of_two_secrets_is_redacted_whole() -> None:
    assert Redactor(["password", "password-and-more"]).text("password-and-more") == PLACEHOLDER


def test_every_line_of_a_long_secret_counts() -> None:
    redactor = Redactor(["-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----\n"])
    assert redactor.text("got MIIEvQIBADANBg") == "got ***"


def test_secret_split_over_lines_of_a_patch_is_redacted() -> None:
    encoded = encodebytes(b"-secret/" * 21).decode()
    lines = "".join(f"+{line}\n" for line in encoded.splitlines())
    redactor = Redactor(["-secret/" * 21, "-secret-at-the-start"])
    text = f"@@ -0,0 +1,3 @@\n{lines} end\n-secret-at-the-start\n"
    assert redactor.patch(text) == "@@ -0,0 +1,3 @@\n+***\n end\n***\n"


def test_record_keys_and_words_of_records_are_not_redacted() -> None:
    record: JsonObject = {"executing": ["executing", "is executing", 7, None], "Executing it": "no"}
    redacted = Redactor(["executing", "Executing it"]).members(record)
    assert redacted == {"executing": ["executing", "is ***", 7, None], "***": "no"}


def test_words_read_from_records_are_record_words() -> None:
    enums = (
        *(Action, AnswerKind, FailureClass, Fidelity, InterruptionChoice, QuestionKind),
        *(RouteReason, StageStatus, StatusWord),
    )
    words = {str(one) for enum in enums for one in enum}
    words |= {*interviewer_registry(), *backend_registry()}
    assert {one for one in words - RECORD_WORDS if not is_unusable(one)} == set()


def test_half_a_character_becomes_text() -> None:
    assert Redactor().text("a\ud800b") == "a\\ud800b"


@given(st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    redactor = Redactor(["redacted", "password"])
    once = redactor.text(text)
    assert redactor.text(once) == once


@pytest.mark.parametrize("secret", ['quote"and\\slash', "größer als acht"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_secret_escaped_by_json_is_redacted(secret: str, is_ascii: bool) -> None:
    line = json.dumps({"said": f"It is {secret}."}, ensure_ascii=is_ascii)
    assert json.loads(Redactor([secret]).text(line)) == {"said": f"It is {PLACEHOLDER}."}
