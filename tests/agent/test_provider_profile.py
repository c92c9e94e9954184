import subprocess
from datetime import date
from pathlib import Path

import pytest

from attractor.agent.provider_profile import (
    BUDGET,
    EnvironmentInfo,
    GitState,
    ProfileTraits,
    choose_profile,
    create_profile,
    discover_project_documents,
    find_provider,
    profile_parts,
    survey,
)
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define, tool_parts
from attractor.base.errors import UnknownName
from attractor.base.json import JsonObject
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import NotSupported
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish, local
from tests.tables import table

PLACE = EnvironmentInfo("/workspace", "linux", "6.1", date(2026, 11, 20), "m-1")


async def nothing(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    return ""


@table(
    ("provider", "model", "named", "expected"),
    [
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "", "anthropic"),
        ("openrouter", "Anthropic/Claude-x", "", "anthropic"),
        ("azure", "azure/gpt-4.1", "", "openai"),
        ("azure", "my-gpt4o", "", "openai"),
        ("azure", "o3-mini", "", "openai"),
        ("groq", "openai/gpt-oss-120b", "", "openai"),
        ("ollama", "marco-o1", "", "openai_compatible"),
        ("vertex_ai", "gemini-2.5-pro", "", "gemini"),
        ("bedrock", "amazon.nova-pro-v1:0", "", "openai_compatible"),
        ("openai_compatible", "claude-x", "", "openai_compatible"),
        ("azure", "of-my-own", "openai", "openai"),
        ("openai", "gpt-5.2", "anthropic", "anthropic"),
    ],
)
def test_profile_follows_the_family_of_the_model(
    provider: str, model: str, named: str, expected: str
) -> None:
    assert choose_profile(provider, model, named) == expected
    profile = create_profile(provider, model=model, profile=expected)
    assert profile.id == provider
    assert profile.traits.tool_names == profile_parts()[expected].tool_names


@table("name", list(profile_parts()))
def test_every_tool_of_a_profile_exists(name: str) -> None:
    traits = profile_parts()[name]
    assert traits.id == name
    profile = create_profile(name, model="m", permissions=Permissions.FULL)
    assert profile.tool_registry.names() == list(traits.tool_names)


CHANGING = {"write_file", "edit_file", "apply_patch", "shell", "shell_output"}


@table("name", list(profile_parts()))
def test_read_only_profile_has_no_tool_that_changes_files(name: str) -> None:
    profile = create_profile(name, model="m", permissions=Permissions.READ_ONLY)
    assert {"read_file", "grep", "glob"} <= {*profile.tool_registry} - CHANGING
    assert not CHANGING & {*profile.tool_registry}
    assert "change nothing" in profile.base_prompt
    assert not [one for one in CHANGING if f"`{one}`" in profile.base_prompt]


def test_named_tools_replace_the_tools_of_the_provider() -> None:
    profile = create_profile("openai", model="m", tool_names=["list_dir", "edit_file"])
    assert profile.tool_registry.names() == ["list_dir", "edit_file"]
    assert "apply_patch" not in profile.base_prompt


def test_base_prompt_follows_the_tools() -> None:
    for name in profile_parts():
        profile = create_profile(name, model="m")
        assert "`spawn_agent` starts an agent" in profile.base_prompt
        profile.tool_registry.unregister("spawn_agent")
        assert "spawn_agent" not in profile.base_prompt


@table("name", list(tool_parts()))
def test_tool_has_the_name_of_its_file(name: str) -> None:
    assert tool_parts()[name].name == name


def test_layers_stand_in_their_order() -> None:
    profile = create_profile("anthropic", model="m-1")
    prompt = profile.build_system_prompt(PLACE, documents="# DOCS", instructions="Obey the user.")
    marks = ["You are a coding agent", "<environment>", "# Tools", "# DOCS", "Obey the user."]
    places = [prompt.index(mark) for mark in marks]
    assert places == sorted(places)
    assert prompt.endswith("Obey the user.")


def test_empty_layers_leave_no_gap() -> None:
    profile = create_profile("openai", model="m-1")
    for name in profile.tool_registry.names():
        profile.tool_registry.unregister(name)
    assert profile.build_system_prompt(PLACE) == f"{profile.base_prompt}\n\n{PLACE.block()}"


def test_profiles_do_not_share_their_tools() -> None:
    one, other = (create_profile("openai", model="m") for _ in range(2))
    definition = define("mine", "Mine.", {}, required=[])
    one.tool_registry.register(RegisteredTool(definition, nothing))
    assert "mine" in one.tool_registry
    assert "mine" not in other.tool_registry


def test_a_project_replaces_the_base_prompt(tmp_path: Path) -> None:
    (tmp_path / "openai.md.j2").write_text("Be kind, {{ model }}, {{ permissions }}.")
    profile = create_profile("openai", model="m", prompt_folders=[tmp_path])
    assert profile.base_prompt == "Be kind, m, workspace."


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown profile 'genimi'") as raised:
        create_profile("genimi", model="m")
    assert raised.value.hint == "did you mean gemini?"


@table(
    ("model", "provider"),
    [
        ("gpt-5.2-codex", "openai"),
        ("o3-mini", "openai"),
        ("claude-opus-4-6", "anthropic"),
        ("gemini-3-flash-preview", "gemini"),
        ("mine", ""),
        ("", ""),
    ],
)
def test_provider_is_found_by_model_name(model: str, provider: str) -> None:
    assert find_provider(model) == provider


def test_options_go_to_the_provider() -> None:
    traits = ProfileTraits(
        id="x",
        model_prefixes=(),
        tool_names=(),
        project_documents=(),
        context_window_size=1,
        provider_options={"x": {"beta_headers": ["b"]}},
    )
    assert traits.provider_options == {"x": {"beta_headers": ["b"]}}


class SubfolderEnvironment(LocalExecutionEnvironment):
    """An environment whose working directory is a subfolder of its root."""

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


def test_missing_documents_add_no_text(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("  \n")
    assert documents(tmp_path, "AGENTS.md", "CLAUDE.md") == ""


def test_deeper_files_come_later(tmp_path: Path) -> None:
    (tmp_path / "sub/deep").mkdir(parents=True)
    (tmp_path / "AGENTS.md").write_text("root")
    (tmp_path / "sub/deep/AGENTS.md").write_text("deep")
    found = finish(
        discover_project_documents(
            SubfolderEnvironment(tmp_path, environ={}), ["AGENTS.md"], depth=2
        )
    )
    assert found == "# ../../AGENTS.md\n\nroot\n\n# AGENTS.md\n\ndeep"


def test_documents_outside_the_environment_are_ignored(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "AGENTS.md").write_text("outside")
    (inside / "AGENTS.md").write_text("inside")
    found = finish(discover_project_documents(local(inside), ["AGENTS.md"], depth=1))
    assert found == "# AGENTS.md\n\ninside"


def test_documents_are_read_from_the_root_of_the_repository_down_to_the_subfolder(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    deep = root / "sub" / "deep"
    deep.mkdir(parents=True)
    git(root, "init")
    git(root, "commit", "--allow-empty", "-m", "One")
    (tmp_path / "secret").write_text("outside")
    (root / "AGENTS.md").write_text("root")
    (root / "CLAUDE.md").symlink_to("../secret")
    (root / "sub/CLAUDE.md").symlink_to("../AGENTS.md")
    (root / "sub/AGENTS.md").write_bytes(b"\0")
    (deep / "AGENTS.md").write_text("deep")
    state = look(deep).git
    assert state is not None
    names = ["AGENTS.md", "CLAUDE.md"]
    found = finish(discover_project_documents(local(deep), names, depth=state.depth))
    assert found == "\n\n".join(
        [
            "# ../../AGENTS.md\n\nroot",
            f"[cannot read ../AGENTS.md: {root}/sub/AGENTS.md is not a text file]",
            "# ../CLAUDE.md\n\nroot",
            "# AGENTS.md\n\ndeep",
        ]
    )


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_bytes(b"\x00")
    assert documents(tmp_path, "AGENTS.md").startswith("[cannot read AGENTS.md: ")


def test_documents_are_truncated_at_a_limit(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("ü" * BUDGET)
    found = documents(tmp_path, "AGENTS.md")
    assert found.endswith("ü\n[Project instructions truncated at 32KB]")
    assert len(found.encode()) < BUDGET + 60


TODAY = date(2026, 11, 20)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def look(folder: Path) -> EnvironmentInfo:
    return finish(survey(local(folder), today=TODAY, model="m-1"))


def test_a_repository_is_described(tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "work")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for number in range(6):
        (tmp_path / f"f{number}").write_text("x")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", f"Change {number}")
    (tmp_path / "f0").write_text("y")
    (tmp_path / "new").write_text("z")
    commits = tuple(f"Change {number}" for number in (5, 4, 3, 2, 1))
    assert look(tmp_path).git == GitState("work", 2, commits)
    assert look(tmp_path / "deep" / "er").git == GitState("work", 2, commits, depth=2)


def test_a_repository_without_commits_is_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "work")
    assert look(tmp_path).git == GitState("work", 0)


def test_detached_head_is_reported(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "One")
    git(tmp_path, "checkout", "--detach")
    assert look(tmp_path).git == GitState("(no branch)", 0, ("One",))


def test_a_folder_is_no_repository(tmp_path: Path) -> None:
    environment = LocalExecutionEnvironment(
        tmp_path, environ={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    )
    found = finish(survey(environment, today=TODAY, model="m-1"))
    assert found.git is None
    assert found.block().splitlines() == [
        "<environment>",
        f"Working directory: {tmp_path}",
        "Is git repository: false",
        f"Platform: {environment.platform()}",
        f"OS version: {environment.os_version()}",
        "Today's date: 2026-11-20",
        "Model: m-1",
        "</environment>",
    ]


def test_environment_block_has_the_git_state() -> None:
    place = EnvironmentInfo("/w", "linux", "6", TODAY, "m", GitState("main", 3, ("One", "Two")))
    assert (
        "\n".join(
            [
                "Is git repository: true",
                "Git branch: main",
                "Changed files: 3",
                "Recent commits:",
                "  One",
                "  Two",
                "Platform: linux",
            ]
        )
        in place.block()
    )


def test_block_contains_name_and_knowledge_of_a_known_model(tmp_path: Path) -> None:
    found = finish(survey(local(tmp_path), today=TODAY, model="claude-opus-4-6"))
    lines = found.block().splitlines()
    assert lines[-3:-1] == ["Model: Claude Opus 4.6 (claude-opus-4-6)", "Knowledge cutoff: 2025-05"]


class NoCommands(LocalExecutionEnvironment):
    async def exec_command(self, *arguments: object, **options: object) -> ExecResult:
        raise NotSupported("no commands here")


def test_a_place_without_commands_has_no_git(tmp_path: Path) -> None:
    environment = NoCommands(tmp_path, environ={})
    assert finish(survey(environment, today=TODAY, model="m")).git is None


def test_each_system_prompt_has_one_heading_tools() -> None:
    for provider, model in (("anthropic", "claude"), ("gemini", "gemini"), ("openai", "gpt")):
        profile = create_profile(provider, model=model)
        prompt = profile.build_system_prompt(PLACE)
        assert prompt.splitlines().count("# Tools") == 1, provider


def test_a_profile_has_the_context_window_of_its_model() -> None:
    sizes = {
        model: create_profile("openai", model=model).traits.context_window_size
        for model in ("gpt-4o", "gpt-4.1", "never-heard-of")
    }
    assert sizes == {"gpt-4o": 128_000, "gpt-4.1": 1_047_576, "never-heard-of": 1_047_576}
