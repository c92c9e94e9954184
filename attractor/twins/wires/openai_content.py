"""What may be said in a message to OpenAI's Responses API, and by whom."""

from collections.abc import Sequence
from typing import Protocol

from attractor.twins.errors import Rejection
from attractor.twins.wires.media import IMAGES, is_fetched, read_data_url

_SAID = ("output_text", "refusal")
_SHOWN = ("input_text", "input_image", "input_file")


class Content(Protocol):
    """One part of a message, or of what a tool answered."""

    type: str
    image_url: str | None
    file_id: str | None
    file_data: str | None
    file_url: str | None
    filename: str | None


def check_content(content: Sequence[Content], place: str, *, by_model: bool) -> None:
    """Refuse what the provider would: the wrong sort, or a file that is none."""
    taken = _SAID if by_model else _SHOWN
    for index, one in enumerate(content):
        path = f"{place}[{index}]"
        if one.type not in taken:
            known = ", ".join(repr(kind) for kind in taken)
            raise _refused(f"Invalid value: '{one.type}'. Supported values are: {known}.")
        if one.type == "input_image" and one.file_id is None:
            _check_image(one.image_url or "", f"{path}.image_url")
        if one.type == "input_file":
            _check_file(one, path)


def _check_image(url: str, path: str) -> None:
    found = read_data_url(url)
    if found is None and not is_fetched(url):
        raise _refused(f"Invalid '{path}'. Expected a valid URL, but got a value with an error.")
    if found is not None and not (found.is_base64 and found.media_type in IMAGES):
        raise _refused(
            f"Invalid '{path}'. Expected a base64-encoded data URL with an image MIME type "
            f"(e.g. 'data:image/png;base64,aW1n'), but got '{found.media_type}'."
        )


def _check_file(file: Content, path: str) -> None:
    given = [one for one in (file.file_id, file.file_data, file.file_url) if one is not None]
    if len(given) != 1:
        raise _refused(
            f"Invalid '{path}'. Give exactly one of 'file_id', 'file_data' and 'file_url'."
        )
    if file.file_url is not None and not is_fetched(file.file_url):
        raise _refused(f"Invalid '{path}.file_url'. Expected a valid URL.")
    if file.file_data is None:
        return
    found = read_data_url(file.file_data)
    if found is None or not found.is_base64 or "/" not in found.media_type:
        raise _refused(
            f"Invalid '{path}.file_data'. Expected a base64-encoded data URL "
            "(e.g. 'data:application/pdf;base64,JVBERg==')."
        )
    if not file.filename:
        raise _refused(f"Missing required parameter: '{path}.filename'.")


def _refused(message: str) -> Rejection:
    return Rejection(400, message)
