from pathlib import Path

import pytest

from attractor.agent.errors import PromptMissing
from attractor.agent.prompts import SHIPPED, read_prompt
from attractor.agent.provider_profile import profile_parts


@pytest.mark.parametrize("name", [*profile_parts(), "report_outcome", "report_reminder"])
def test_every_prompt_is_shipped(name: str) -> None:
    assert len(read_prompt(name)) > 50


def test_a_projects_own_prompt_comes_first(tmp_path: Path) -> None:
    (tmp_path / "openai.md").write_text("Be kind.\n")
    assert read_prompt("openai", folders=[tmp_path / "nothing", tmp_path]) == "Be kind."
    assert read_prompt("anthropic", folders=[tmp_path]) == read_prompt("anthropic")


def test_a_prompt_that_is_nowhere_is_told_with_the_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(PromptMissing) as raised:
        read_prompt("nobody", folders=[tmp_path])
    assert raised.value.hint.startswith(f"write {tmp_path / 'nobody.md'}")


def test_only_the_shipped_places_are_fixed() -> None:
    assert [place.name for place in SHIPPED] == ["_profiles", "_profiles"]
