"""Coding-agent-loop 9.8, each line as the provider receives it."""

from pathlib import Path

import pytest

from attractor.agent.provider_profile import create_profile
from tests.agent.twinned import MODELS, WIRES, says, submit, talk

pytestmark = pytest.mark.parametrize("wire", WIRES)

FIELDS = {"openai": "instructions", "anthropic": "system", "gemini": "systemInstruction"}
DOCUMENTS = {
    "AGENTS.md": "Everybody reads this.",
    "CLAUDE.md": "For Claude.",
    "GEMINI.md": "For Gemini.",
    ".codex/instructions.md": "For Codex.",
}


def prompt(folder: Path, wire: str) -> str:
    (folder / ".codex").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text)
    done = talk(folder, wire, [says("ok")], submit("Go"), instructions="THE LAST WORD")
    body = done.twin.requests[0].body
    assert isinstance(body, dict)
    return str(body[FIELDS[wire]]).replace("\\n", "\n")


def test_9_8_the_base_instructions_of_the_provider_come_first(tmp_path: Path, wire: str) -> None:
    base = create_profile(wire, model="m").base_prompt.splitlines()[0]
    assert base in prompt(tmp_path, wire).partition("<environment>")[0]


def test_9_8_the_environment_is_described(tmp_path: Path, wire: str) -> None:
    block = prompt(tmp_path, wire).partition("<environment>")[2].partition("</environment>")[0]
    for line in (
        f"Working directory: {tmp_path}",
        "Is git repository: ",
        "Platform: ",
        "OS version: ",
        "Today's date: 20",
        f"({MODELS[wire]})",
        "Knowledge cutoff: 2025-",
    ):
        assert line in block


def test_9_8_the_tools_of_the_profile_are_described(tmp_path: Path, wire: str) -> None:
    described = prompt(tmp_path, wire).partition("# Tools\n\n- ")[2]
    for name in create_profile(wire, model="m").tool_registry.names():
        assert f"{name}: " in described


def test_9_8_only_the_projects_files_for_this_provider_are_read(tmp_path: Path, wire: str) -> None:
    found = prompt(tmp_path, wire)
    assert "Everybody reads this." in found
    assert ("For Claude." in found) == (wire == "anthropic")
    assert ("For Codex." in found) == (wire == "openai")
    assert ("For Gemini." in found) == (wire == "gemini")


def test_9_8_the_users_instructions_come_last(tmp_path: Path, wire: str) -> None:
    found = prompt(tmp_path, wire)
    assert found.index("THE LAST WORD") > found.index("Everybody reads this.")
