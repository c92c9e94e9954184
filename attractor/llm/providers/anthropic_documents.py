"""Writes documents as Anthropic's blocks: PDFs as they are, anything that is text as text (7.3)."""

from attractor.base.json import Json
from attractor.llm.content import DocumentData
from attractor.llm.errors import InvalidRequestError
from attractor.llm.images import InlineMedia, file_name, inline, media_type

_PDF, _TEXT = "application/pdf", "text/plain"
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/toml")
_KINDS_OF_TEXT = ("+json", "+xml", "+yaml")


def write_document(document: DocumentData, provider: str) -> Json:
    """Return the block of a document, with its name as the title."""
    name = file_name(document)
    title: dict[str, Json] = {"title": name} if name else {}
    return {"type": "document", "source": _source(document, provider), **title}


def _source(document: DocumentData, provider: str) -> Json:
    found, kind = inline(document), media_type(document)
    if found is None:
        if kind != _PDF:
            raise _refused(f"a document of the type {kind} by its address", provider)
        return {"type": "url", "url": document.url}
    if kind == _PDF:
        return {"type": "base64", "media_type": kind, "data": found.data}
    return {"type": "text", "media_type": _TEXT, "data": _text(found, provider)}


def _text(found: InlineMedia, provider: str) -> str:
    kind = found.media_type
    if not (kind.startswith("text/") or kind in _TEXTS or kind.endswith(_KINDS_OF_TEXT)):
        raise _refused(f"a document of the type {kind}", provider)
    try:
        return found.content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise _refused(f"a document of the type {kind} that is no UTF-8", provider) from cause


def _refused(what: str, provider: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{provider} does not take {what}",
        provider=provider,
        hint="give it as a PDF, or its text as data; openai takes other types too",
    )
