""""""

import base64
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.llm import (
    AudioData,
    ConfigurationError,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    Role,
    ThinkingData,
)
from attractor.llm.messages import file_name, inline, read_image
from tests.tables import table


def test_message_has_role_and_text() -> None:
    short = Message("user", "hi")
    assert short == Message.user("hi") == Message(role="user", content=Message.user("hi").content)
    assert (type(short.role), short.text) == (Role, "hi")


TEXT = ContentPart(ContentKind.TEXT, text="a")


@table("content", [TEXT, ["a"], [TEXT, None], None, {"text": "a"}, 1, b"a"])
def test_invalid_content_is_refused_with_a_hint(content: Any) -> None:
    with pytest.raises(UsageError, match="invalid message content") as caught:
        Message(Role.USER, content)
    assert "a list of parts" in caught.value.hint


@table("role", ["User", "", None, 1, ["user"]])
def test_unknown_role_is_refused_with_the_known_roles(role: Any) -> None:
    with pytest.raises(UsageError, match="unknown role") as caught:
        Message(role, "a")
    assert caught.value.hint == "use one of system, user, assistant, tool, developer"


def test_part_has_only_the_field_of_its_kind() -> None:
    for fields, held in (
        ({"kind": ContentKind.TEXT}, "none"),
        ({"kind": ContentKind.TEXT, "thinking": ThinkingData("hm")}, "thinking"),
        ({"kind": ContentKind.TEXT, "text": "a", "thinking": ThinkingData("b")}, "text, thinking"),
        ({"kind": "web_search_call", "text": "a"}, "text"),
    ):
        with pytest.raises(UsageError, match=f": {held} \\("):
            ContentPart(**fields)  # pyright: ignore[reportArgumentType]


@table("kind", [ImageData, AudioData, DocumentData])
def test_a_file_has_exactly_one_source(kind: type[ImageData | AudioData | DocumentData]) -> None:
    with pytest.raises(UsageError, match="url and data"):
        kind()
    with pytest.raises(UsageError, match="url and data"):
        kind(url="https://example.org", data=b"")


PNG = b"\x89PNG\r\n"


def test_image_bytes_become_base64_png_by_default() -> None:
    found = inline(ImageData(data=PNG))
    assert found is not None
    assert base64.b64decode(found.data) == PNG
    assert found.data_url == f"data:image/png;base64,{found.data}"
    received = inline(ImageData(data=PNG, media_type="image/webp"))
    assert received is not None
    assert received.media_type == "image/webp"


def test_an_address_is_left_to_the_provider() -> None:
    assert inline(ImageData(url="https://example.org/a.png")) is None


def test_a_local_path_is_read_and_its_type_follows_from_its_name(tmp_path: Path) -> None:
    file = tmp_path / "shot.jpeg"
    file.write_bytes(PNG)
    found = inline(ImageData(url=str(file)))
    assert found is not None
    assert (found.media_type, base64.b64decode(found.data)) == ("image/jpeg", PNG)


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "shot.gif").write_bytes(PNG)
    found = inline(ImageData(url="~/shot.gif"))
    assert found is not None
    assert found.media_type == "image/gif"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere.png"):
        inline(ImageData(url=str(tmp_path / "nowhere.png")))


def test_data_url_is_sent_inline_with_its_media_type() -> None:
    for url, media_type in (
        ("data:image/gif;base64,iVBORw0K", "image/gif"),
        ("data:;base64,iVBORw0K", "image/png"),
        ("data:image/gif,%89PNG%0D%0A", "image/gif"),
    ):
        found = inline(ImageData(url=url))
        assert found is not None
        assert (found.media_type, found.content[:4]) == (media_type, PNG[:4])
    with pytest.raises(UsageError, match="invalid base64"):
        inline(ImageData(url="data:image/gif;base64,!"))


def test_document_name_defaults_to_its_file() -> None:
    assert file_name(DocumentData(url="/tmp/a.pdf")) == "a.pdf"
    assert file_name(DocumentData(url="/tmp/a.pdf", file_name="plan")) == "plan"
    assert file_name(DocumentData(url="https://x.org/a.pdf")) == ""
    assert file_name(DocumentData(data=b"")) == ""


def test_generated_image_is_read_from_records() -> None:
    assert read_image("cG5n", "image/png") == ImageData(data=b"png", media_type="image/png")
    for data, media_type in (("!", "image/png"), (None, "image/png"), ("cG5n", "audio/wav")):
        assert read_image(data, media_type) is None
