from pathlib import Path

import pytest

from attractor.agent.errors import PromptInvalid, PromptMissing
from attractor.agent.prompts import SHIPPED_AGENTS, find_prompt, read_prompt, render_prompt
from attractor.agent.provider_profile import profile_parts
from attractor.base.errors import FileError
from tests.tables import table


@table("name", [*profile_parts(), "report_outcome", "report_reminder"])
def test_every_prompt_is_shipped(name: str) -> None:
    assert len(find_prompt(name).text) > 50


def test_prompt_of_a_project_comes_first(tmp_path: Path) -> None:
    (tmp_path / "openai.md.j2").write_text("Be kind.\n")
    assert render_prompt("openai", folders=[tmp_path / "nothing", tmp_path]) == "Be kind."
    assert find_prompt("anthropic", folders=[tmp_path]) == find_prompt("anthropic")


def test_error_about_a_missing_prompt_names_the_file_to_create(tmp_path: Path) -> None:
    with pytest.raises(PromptMissing) as raised:
        find_prompt("nobody", folders=[tmp_path])
    assert raised.value.hint.startswith(f"create {tmp_path / 'nobody.md.j2'}")


@table(
    ("text", "message", "hint"),
    [
        (b"Hi\n{% if %}", ":2: ", "correct the template"),
        (b"{{ modle }}", ": 'modle' is undefined", "known values: model, tools"),
        (b"{{ 1 / 0 }}", ": division by zero", "known values: model, tools"),
        (b"{{ model.__class__.__mro__ }}", ": access to attribute", "known values: model, tools"),
        (b"\xff", "codec can't decode", "save it as UTF-8"),
    ],
)
def test_invalid_template_is_reported_with_its_file(
    text: bytes, message: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.md.j2"
    file.write_bytes(text)
    with pytest.raises(PromptInvalid) as raised:
        render_prompt("mine", folders=[tmp_path], model="m", tools=())
    assert raised.value.message.startswith(str(file))
    assert message in raised.value.message
    assert raised.value.hint.startswith(hint)


def test_prompt_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        read_prompt(tmp_path / "gone.md.j2")


def test_agents_are_shipped_in_the_package_or_beside_it() -> None:
    assert [folder.name for folder in SHIPPED_AGENTS] == ["agents", "agents"]
