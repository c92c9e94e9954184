"""The profile of OpenAI's models: files are edited with apply_patch, as in codex-rs (§3.4)."""

from attractor.agent.provider_profile import SUBAGENT_TOOLS, ProfileTraits

part = ProfileTraits(
    id="openai",
    model_prefixes=("gpt-", "o1", "o3", "o4", "codex-"),
    family=r"gpt-?\d|gpt-oss|codex|(^|[/.])o[134]",
    tool_names=(
        *("read_file", "apply_patch", "write_file", "shell", "shell_output", "grep", "glob"),
        "web_fetch",
        *SUBAGENT_TOOLS,
    ),
    project_documents=("AGENTS.md", ".codex/instructions.md"),
    supports_streaming=True,
    context_window_size=1_047_576,
)
