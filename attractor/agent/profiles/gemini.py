"""The profile of Google's models: files are edited with edit_file, as in gemini-cli (§3.6).

Only content that is very likely harmful is blocked, because code about security is often taken for
harmful. Grounding by Google's search is off: it needs the network, and older models reject it
beside functions.
"""

from attractor.agent.provider_profile import SUBAGENT_TOOLS, ProfileTraits
from attractor.base.json import Json

_HARMS = ("DANGEROUS_CONTENT", "HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT")
_SAFETY: list[Json] = [
    {"category": f"HARM_CATEGORY_{harm}", "threshold": "BLOCK_ONLY_HIGH"} for harm in _HARMS
]

part = ProfileTraits(
    id="gemini",
    model_prefixes=("gemini-",),
    family="gemini",
    tool_names=(
        *("read_file", "read_many_files", "write_file", "edit_file", "shell", "shell_output"),
        *("grep", "glob", "list_dir"),
        "web_fetch",
        *SUBAGENT_TOOLS,
    ),
    project_documents=("AGENTS.md", "GEMINI.md"),
    supports_streaming=True,
    context_window_size=1_048_576,
    provider_options={"gemini": {"safetySettings": _SAFETY}},
)
