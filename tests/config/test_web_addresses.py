"""An address is checked, and never shown: whoever knows it may be able to write there."""

from pathlib import Path

import pytest

from attractor.config.configuration import Configuration
from attractor.config.errors import InvalidSetting
from attractor.config.load import load
from attractor.config.settings import Settings


def loaded(folder: Path, address: str) -> Configuration[Settings]:
    (folder / "attractor.toml").write_text(f"[notify]\nurl = '{address}'\n")
    return load(Settings, root=folder, cwd=folder, environ={}, user_file=folder / "none.toml")


@pytest.mark.parametrize(
    "address", ["https://chat.example/hooks/T0/secret?x=1", "http://127.0.0.1:8080", ""]
)
def test_an_address_of_the_web_is_taken_and_not_shown(tmp_path: Path, address: str) -> None:
    found = loaded(tmp_path, address)
    assert found.settings.notify.url.get_secret_value() == address
    [shown] = [str(one.value) for one in found.entries() if one.key == "notify.url"]
    assert shown == ("*" * 10 if address else "")


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/the-secret",
        "the-secret",
        "https:///the-secret",
        "https://host:99999/the-secret",
        "https://me:the-secret@host/",
        "https://host/the-secret with blanks",
        "https://hóst/the-secret",
        "https://[host/the-secret",
    ],
)
def test_anything_else_is_refused_without_being_shown(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidSetting, match="notify.url: this is no address") as refused:
        loaded(tmp_path, address)
    assert "the-secret" not in str(refused.value)
