"""The profile of Anthropic's models: files are edited with edit_file, as in Claude Code (§3.5).

The beta lets models think between tool calls; newer models do so anyway. Long contexts are not
requested, because they cost more and not every account may use them.
"""

from attractor.agent.provider_profile import SUBAGENT_TOOLS, ProfileTraits

part = ProfileTraits(
    id="anthropic",
    model_prefixes=("claude-",),
    family="claude",
    tool_names=(
        *("read_file", "write_file", "edit_file", "shell", "shell_output", "grep", "glob"),
        "web_fetch",
        *SUBAGENT_TOOLS,
    ),
    project_documents=("AGENTS.md", "CLAUDE.md"),
    supports_streaming=True,
    requires_read_before_edit=True,
    context_window_size=200_000,
    default_command_timeout_ms=120_000,
    provider_options={"anthropic": {"beta_headers": ["interleaved-thinking-2025-05-14"]}},
)
