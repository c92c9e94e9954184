"""The site of the documentation is built without a warning, and loads no external file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counts import IS_FULL
from tests.examples import ROOT

LOADED = re.compile(r'<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|srcset|href)="([^"]*)"')


@pytest.mark.skipif(not IS_FULL, reason="at full counts only: building takes ten seconds")
def test_site_is_built_without_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, "WARNING" in built.stderr) == (0, False), built.stderr
    pages = {page: page.read_text("utf-8") for page in tmp_path.rglob("*.html")}
    assert len(pages) > 150
    for page, text in pages.items():
        for loaded in LOADED.findall(text):
            assert not loaded.startswith(("http", "//")), (page, loaded)
            assert page.name == "404.html" or (page.parent / loaded).exists(), (page, loaded)
        # A fence that the site does not understand swallows the headings below it.
        assert page.is_relative_to(tmp_path / "source") or "```" not in text, page
