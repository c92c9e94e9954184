"""The tools work in any environment: here on files in memory."""

from attractor.agent.tool_calls.tool import tool_parts
from attractor.base.json import Json
from attractor.base.processes import ExecResult
from attractor.environments.memory import MemoryExecutionEnvironment
from tests.agent.places import finish
from tests.tables import table

PATCH = (
    "*** Begin Patch\n*** Update File: a.py\n*** Move to: c.py\n@@\n-x = 1\n+x = 2\n*** End Patch"
)
BEFORE = {"a.py": "x = 1\n", "b.txt": "y\n"}


@table(
    ("tool", "arguments", "message", "files"),
    [
        ("read_file", {"file_path": "a.py"}, "1 | x = 1", BEFORE),
        (
            "write_file",
            {"file_path": "n/c", "content": "z"},
            "Wrote 1 bytes to n/c",
            {**BEFORE, "n/c": "z"},
        ),
        (
            "edit_file",
            {"file_path": "a.py", "old_string": "1", "new_string": "3"},
            "Made 1 replacement in a.py",
            {**BEFORE, "a.py": "x = 3\n"},
        ),
        (
            "apply_patch",
            {"patch": PATCH},
            "Applied the patch:\nR a.py -> c.py",
            {"b.txt": "y\n", "c.py": "x = 2\n"},
        ),
        ("grep", {"pattern": "^x"}, "a.py:1:x = 1\n", BEFORE),
        ("glob", {"pattern": "*.txt"}, "b.txt", BEFORE),
        ("shell", {"command": "make"}, "built\n[exit code 0, 7 ms]", BEFORE),
    ],
)
def test_a_tool_works_in_memory(
    tool: str, arguments: dict[str, Json], message: str, files: dict[str, str]
) -> None:
    made = ExecResult("built\n", "", 0, False, 7)
    environment = MemoryExecutionEnvironment(BEFORE, commands={"make": made})
    shown = finish(tool_parts()[tool].execute(arguments, environment))
    assert shown.rstrip("\n") == message.rstrip("\n")
    assert environment.files == files
