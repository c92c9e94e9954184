from pathlib import Path

from attractor.agent.project_documents import BUDGET, discover_project_documents
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish, local


class Below(LocalExecutionEnvironment):
    """Works in a folder below the one it is confined to."""

    def working_directory(self) -> str:
        return f"{super().working_directory()}/sub/deep"


def documents(folder: Path, *names: str) -> str:
    return finish(discover_project_documents(local(folder), names))


def test_the_files_of_the_profile_are_read_and_no_others(tmp_path: Path) -> None:
    for name in ("AGENTS.md", "CLAUDE.md", "GEMINI.md"):
        (tmp_path / name).write_text(f"Read {name}.\n")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/instructions.md").write_text("Codex.")
    assert documents(tmp_path, "AGENTS.md", "CLAUDE.md") == (
        "# AGENTS.md\n\nRead AGENTS.md.\n\n# CLAUDE.md\n\nRead CLAUDE.md."
    )
    assert "Codex." in documents(tmp_path, "AGENTS.md", ".codex/instructions.md")


def test_nothing_there_is_nothing_said(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("  \n")
    assert documents(tmp_path, "AGENTS.md", "CLAUDE.md") == ""


def test_deeper_files_come_later(tmp_path: Path) -> None:
    (tmp_path / "sub/deep").mkdir(parents=True)
    (tmp_path / "AGENTS.md").write_text("root")
    (tmp_path / "sub/deep/AGENTS.md").write_text("deep")
    found = finish(discover_project_documents(Below(tmp_path, environ={}), ["AGENTS.md"], depth=2))
    assert found == "# ../../AGENTS.md\n\nroot\n\n# AGENTS.md\n\ndeep"


def test_what_lies_outside_the_environment_is_left_alone(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "AGENTS.md").write_text("outside")
    (inside / "AGENTS.md").write_text("inside")
    found = finish(discover_project_documents(local(inside), ["AGENTS.md"], depth=1))
    assert found == "# AGENTS.md\n\ninside"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_bytes(b"\x00")
    assert documents(tmp_path, "AGENTS.md").startswith("[AGENTS.md could not be read: ")


def test_there_is_a_budget(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("ü" * BUDGET)
    found = documents(tmp_path, "AGENTS.md")
    assert found.endswith("ü\n[Project instructions truncated at 32KB]")
    assert len(found.encode()) < BUDGET + 60
