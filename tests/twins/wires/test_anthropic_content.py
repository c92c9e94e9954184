from typing import Any

import pytest

from tests.twins.exchanging import answer, refusal
from tests.twins.wires.test_anthropic import CALL, RESULT, ask

TEXT = {"type": "text", "text": "a"}
PNG = {"type": "base64", "media_type": "image/png", "data": "cG5n"}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
URL = {"type": "url", "url": "https://x.org/a"}
WORDS = {"type": "text", "media_type": "text/plain", "data": "a"}


def shown(kind: str, source: Any) -> dict[str, Any]:
    return {"type": kind, "source": source}


def test_images_and_documents_are_taken_as_the_provider_takes_them() -> None:
    content = [
        shown("image", PNG),
        shown("image", URL),
        shown("document", PDF) | {"title": "a.pdf", "cache_control": {"type": "ephemeral"}},
        shown("document", URL),
        shown("document", WORDS),
        shown("document", {"type": "content", "content": "a"}),
    ]
    assert answer("anthropic", ask([TEXT, *content], [CALL], [RESULT | {"content": content}]))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (shown("image", PNG | {"data": "no base64"}), "image.source.base64.data: Invalid base64"),
        (shown("image", PNG | {"media_type": "image/tiff"}), "media_type: Input should be"),
        (shown("image", PDF), "image.source.base64.media_type: Input should be 'image/gif'"),
        (shown("document", PNG), "media_type: Input should be 'application/pdf'"),
        (shown("document", PDF | {"data": ""}), "document.source.base64.data: Invalid base64"),
        (shown("document", WORDS | {"media_type": "text/html"}), "with the type 'text/plain'"),
        (shown("image", WORDS), "Input tag 'text' does not match"),
        (shown("image", {"type": "url", "url": "data:image/png;base64,cG5n"}), "Only HTTP URLs"),
        ({"type": "document"}, "document.source: Field required"),
    ],
)
def test_what_is_none_is_refused_wherever_it_stands(block: dict[str, Any], words: str) -> None:
    for turns in ([[block]], [["a"], [CALL], [RESULT | {"content": [block]}]]):
        said = [one if one != ["a"] else "a" for one in turns]
        status, error = refusal("anthropic", ask(*said))
        assert (status, error["type"]) == (400, "invalid_request_error")
        assert words in error["message"]


def test_a_model_shows_nothing() -> None:
    status, error = refusal("anthropic", ask("a", [shown("image", PNG)], "b"))
    assert (status, "not allowed in assistant messages" in error["message"]) == (400, True)


def test_results_come_first() -> None:
    assert answer("anthropic", ask("a", [CALL], [RESULT, TEXT]))
    status, error = refusal("anthropic", ask("a", [CALL], [TEXT, RESULT]))
    assert (status, "before any other content" in error["message"]) == (400, True)
