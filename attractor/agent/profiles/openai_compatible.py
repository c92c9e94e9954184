"""The profile of models behind Chat Completions, and of all families without a profile.

Their abilities are unknown, so the tools are those that most models know: an exact replacement
instead of a patch format. The context window is that of models that the catalogue does not contain.
"""

from attractor.agent.provider_profile import SUBAGENT_TOOLS, ProfileTraits

part = ProfileTraits(
    id="openai_compatible",
    model_prefixes=(),
    tool_names=(
        *("read_file", "write_file", "edit_file", "shell", "shell_output", "grep", "glob"),
        *("list_dir", "web_fetch"),
        *SUBAGENT_TOOLS,
    ),
    project_documents=("AGENTS.md",),
    supports_streaming=True,
    context_window_size=128_000,
)
