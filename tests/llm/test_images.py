import base64
from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.llm import ImageData
from attractor.llm.images import inline

PNG = b"\x89PNG\r\n"


def test_bytes_become_base64_and_are_taken_for_a_png_unless_told() -> None:
    found = inline(ImageData(data=PNG))
    assert found is not None
    assert base64.b64decode(found.data) == PNG
    assert found.data_url == f"data:image/png;base64,{found.data}"
    told = inline(ImageData(data=PNG, media_type="image/webp"))
    assert told is not None
    assert told.media_type == "image/webp"


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
    with pytest.raises(FileTrouble, match="nowhere.png cannot be read"):
        inline(ImageData(url=str(tmp_path / "nowhere.png")))
