from pathlib import Path

import pytest

from attractor.agent.errors import InvalidPatch
from attractor.agent.tools.apply_patch import part
from tests.agent.places import finish, local


def test_patch_is_applied_and_summarized(tmp_path: Path) -> None:
    patch = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"
    assert finish(part.execute({"patch": patch}, local(tmp_path))) == "Applied the patch:\nA a"
    assert (tmp_path / "a").read_text() == "x\n"


def test_invalid_patch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidPatch):
        finish(part.execute({"patch": "--- a\n+++ b"}, local(tmp_path)))
