"""The command that adds to an installation is that of its installer."""

import sys
from importlib import metadata
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from attractor.base.installation import install_command
from tests.tables import table


@table(
    ("receipt", "url", "extra", "package"),
    [
        (
            "pipx_metadata.json",
            '{"url": "file:///a%20b/attractor", "dir_info": {}}',
            "pipx install --force '/a b/attractor[fleet]'",
            "pipx runpip attractor install litellm",
        ),
        (
            "uv-receipt.toml",
            '{"url": "https://x/a", "vcs_info": {"vcs": "git"}}',
            "uv tool install --force 'attractor[fleet] @ git+https://x/a'",
            "uv tool install --force --with litellm 'attractor @ git+https://x/a'",
        ),
        (
            "none",
            '{"url": "file:///clone", "dir_info": {"editable": true}}',
            f"{sys.executable} -m pip install --editable '/clone[fleet]'",
            f"{sys.executable} -m pip install litellm",
        ),
        (
            "none",
            None,
            f"{sys.executable} -m pip install 'attractor[fleet]'",
            f"{sys.executable} -m pip install litellm",
        ),
    ],
)
def test_installer_is_known_by_its_receipt(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    receipt: str,
    url: str | None,
    extra: str,
    package: str,
) -> None:
    (tmp_path / receipt).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    folder = tmp_path / "attractor-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: attractor\nVersion: 1\n")
    if url:
        (folder / "direct_url.json").write_text(url)
    installed = PathDistribution(folder)

    def find(name: str) -> Distribution:
        assert name == "attractor"
        return installed

    monkeypatch.setattr(metadata, "distribution", find)
    assert install_command(extra="fleet") == extra
    assert install_command("litellm") == package
