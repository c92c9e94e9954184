"""Coding-agent-loop 9.2."""

from pathlib import Path

from attractor.agent.events import EventKind
from attractor.agent.provider_profile import SUBAGENT_TOOLS, create_profile
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment
from tests.agent.twinned import WIRES, Talk, says, submit, talk, use, uses
from tests.tables import table


async def run_tests(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    return f"ran {arguments.get('filter', 'all')}"


def test_9_2_openai_edits_by_apply_patch() -> None:
    names = create_profile("openai", model="gpt-5.2-codex").tool_registry.names()
    own = ["read_file", "apply_patch", "write_file", "shell", "shell_output", "grep", "glob"]
    assert names == [*own, *SUBAGENT_TOOLS]


def test_9_2_anthropic_edits_by_old_and_new_string() -> None:
    profile = create_profile("anthropic", model="claude-opus-4-6")
    names = profile.tool_registry.names()
    own = ["read_file", "write_file", "edit_file", "shell", "shell_output", "grep", "glob"]
    assert names == [*own, *SUBAGENT_TOOLS]
    properties = profile.tool_registry["edit_file"].definition.parameters["properties"]
    assert isinstance(properties, dict)
    assert {"old_string", "new_string", "replace_all"} <= set(properties)


def test_9_2_gemini_has_the_tools_of_gemini_cli() -> None:
    profile = create_profile("gemini", model="gemini-3-flash-preview")
    reading = ["read_file", "read_many_files"]
    searching = ["grep", "glob", "list_dir"]
    names = [*reading, "write_file", "edit_file", "shell", "shell_output", *searching]
    assert profile.tool_registry.names() == [*names, *SUBAGENT_TOOLS]
    assert profile.traits.project_documents == ("AGENTS.md", "GEMINI.md")


@table("wire", WIRES)
def test_9_2_the_options_of_a_profile_reach_the_provider(tmp_path: Path, wire: str) -> None:
    request = talk(tmp_path, wire, [says("ok")], submit("Go")).twin.requests[0]
    assert isinstance(request.body, dict)
    betas = request.headers.get("anthropic-beta", "")
    assert ("interleaved-thinking-2025-05-14" in betas) == (wire == "anthropic")
    assert ("safetySettings" in request.body) == (wire == "gemini")


@table(
    ("provider", "topics"),
    [
        ("openai", ["coding agent", "apply_patch", "*** Begin Patch", "style of the code"]),
        ("anthropic", ["coding agent", "old_string` must be unique", "conventions of the code"]),
        ("gemini", ["coding agent", "`read_many_files`", "`GEMINI.md`", "conventions come first"]),
    ],
)
def test_9_2_each_prompt_covers_identity_tools_and_coding(provider: str, topics: list[str]) -> None:
    prompt = create_profile(provider, model="m").base_prompt
    assert [topic for topic in topics if topic not in prompt] == []


@table("wire", WIRES)
def test_9_2_a_custom_tool_works_on_top_of_a_profile(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        properties = {"filter": {"type": "string"}}
        definition = define("run_tests", "Run the tests.", {**properties}, required=[])
        talk.session.profile.tool_registry.register(RegisteredTool(definition, run_tests))
        await talk.session.submit("Test it")

    answers = [uses(use("run_tests", {"filter": "unit"})), says("ok")]
    done = talk(tmp_path, wire, answers, work)
    assert done.data_of(EventKind.TOOL_CALL_END)[0]["output"] == "ran unit"


@table("wire", WIRES)
def test_9_2_a_custom_tool_takes_the_place_of_one_of_its_name(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        definition = define("shell", "Not really.", {}, required=[])
        talk.session.profile.tool_registry.register(RegisteredTool(definition, run_tests))
        await talk.session.submit("Test it")

    done = talk(tmp_path, wire, [uses(use("shell")), says("ok")], work)
    assert done.data_of(EventKind.TOOL_CALL_END)[0]["output"] == "ran all"
    assert "Not really." in done.last_request


def test_openai_compatible_models_work_in_the_loop_of_the_agent(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("Use tabs.")
    (tmp_path / "a.py").write_text("one\n")
    edit = {"file_path": "a.py", "old_string": "one", "new_string": "two"}
    answers = [
        uses(use("read_file", {"file_path": "a.py"}), use("shell", {"command": "echo hi"})),
        uses(use("edit_file", edit)),
        says("done"),
    ]
    done = talk(tmp_path, "openai_compatible", answers, submit("Go"))
    assert (tmp_path / "a.py").read_text() == "two\n"
    requests = [one for one in done.twin.requests if one.method == "POST"]
    assert {one.path for one in requests} == {"/v1/chat/completions"}
    assert "Use tabs." in done.last_request
    assert "reasoning_effort" not in done.last_request
    assert done.data_of(EventKind.ASSISTANT_TEXT_END)[-1]["text"] == "done"
