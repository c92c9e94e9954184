from pathlib import Path
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import DocumentData, InvalidRequestError
from attractor.llm.providers.anthropic_documents import write_document


def written(**given: Any) -> Json:
    return write_document(DocumentData(**given), "anthropic")


def test_a_pdf_is_sent_by_address_by_content_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"pdf")
    content = {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
    url = "https://x.org/a.pdf?page=1"
    assert written(url=url) == {"type": "document", "source": {"type": "url", "url": url}}
    assert written(data=b"pdf") == {"type": "document", "source": content}
    assert written(url=str(file)) == {"type": "document", "source": content, "title": "a.pdf"}
    named = written(url=str(file), file_name="plan")
    assert named == {"type": "document", "source": content, "title": "plan"}


@pytest.mark.parametrize(
    "given",
    [
        {"media_type": "text/plain"},
        {"file_name": "notes.md"},
        {"media_type": "application/json"},
        {"media_type": "image/svg+xml"},
    ],
)
def test_whatever_is_text_is_sent_as_text(given: dict[str, str]) -> None:
    sent: Any = written(data="größe".encode(), **given)
    assert sent["source"] == {"type": "text", "media_type": "text/plain", "data": "größe"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"data": b"zip", "media_type": "application/zip"}, "of the type application/zip$"),
        ({"data": b"\xff", "media_type": "text/plain"}, "text/plain that is no UTF-8"),
        ({"url": "https://x.org/a.txt"}, "text/plain by its address"),
    ],
)
def test_what_the_provider_does_not_take_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        written(**given)
    assert "as a PDF" in caught.value.hint
