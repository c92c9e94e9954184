"""Writes what is said in a message as OpenAI's Responses API takes it (7.3)."""

from attractor.base.json import Json
from attractor.llm.content import ContentPart, DocumentData, ImageData
from attractor.llm.images import file_name, inline, media_type
from attractor.llm.message import Role
from attractor.llm.providers.refusals import no_audio

_FILE_NAMES = {"application/pdf": "document.pdf", "text/plain": "document.txt"}
_FILE_NAME = "document"


def write_content(part: ContentPart, role: Role, provider: str) -> Json:
    """Return what stands inside a message, None for what stands beside it."""
    if part.text is not None:
        kind = "output_text" if role is Role.ASSISTANT else "input_text"
        return {"type": kind, "text": part.text}
    if part.audio is not None:
        raise no_audio(provider)
    if part.provider_data is not None and part.provider_data.provider == provider:
        return None
    if part.image is not None:
        return write_image(part.image)
    return None if part.document is None else write_document(part.document)


def write_image(image: ImageData) -> Json:
    """Return an image, by its address or in a `data:` address."""
    found = inline(image)
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "input_image", "image_url": found.data_url if found else image.url, **detail}


def write_document(document: DocumentData) -> Json:
    """Return a document: one that is sent along needs a name, one that is fetched has one."""
    found = inline(document)
    if found is None:
        return {"type": "input_file", "file_url": document.url}
    name = file_name(document) or _FILE_NAMES.get(media_type(document), _FILE_NAME)
    return {"type": "input_file", "filename": name, "file_data": found.data_url}
