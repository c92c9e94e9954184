"""The changes of a run for people: large new folders."""

from attractor.language.source.text import visible
from attractor.pipeline.workspace.diffstat import LARGE_FILES, LARGE_SIZE, Diffstat
from attractor.workspaces.git.object_store import ChangedFile


def below(folder: str, count: int, size: int = 0) -> list[ChangedFile]:
    """Return new files below a new folder; the size is the size of the last file."""
    sizes = [0] * (count - 1) + [size]
    return [
        ChangedFile(f"{folder}/{number}", 0, 0, is_new=True, new_folder=folder, size=bytes_)
        for number, bytes_ in enumerate(sizes)
    ]


STARTING = (
    "conftest.py a/sitecustomize.py usercustomize.py Makefile package.json vite.config.ts "
    "action.yml docker-compose.yml skills/a/SKILL.md mcp.json llms.txt hooks/hooks.json MAKEFILE "
    "commands/x.md infra/main.tf build.rs go.mod pom.xml a.csproj Jenkinsfile.release x.pth "
    "con\u200dftest.py"
)
OTHERS = "README.md src/app.py made.txt src/commands/run.py docs/agents.html hooksh/a service.py"


def test_files_that_start_programs_or_direct_agents_come_first() -> None:
    starting, others = STARTING.split(), OTHERS.split()
    files = [ChangedFile(path, 1, 0) for path in [*others, *starting]]
    changes = Diffstat(files)
    assert [one.path for one in changes.starting] == starting
    assert changes.to_record()["starting"] == starting
    lines = [line.split()[0] for line in changes.lines()]
    assert lines[1:] == ["start", *map(visible, starting), "others:", *others]
    assert Diffstat(files[:2]).lines()[1].split() == ["README.md", "+1", "-0"]


def test_new_folders_with_many_files_or_bytes_are_named() -> None:
    old = [ChangedFile(f"old/{number}", 1, 0, is_new=True) for number in range(LARGE_FILES + 1)]
    small = [*below("few", LARGE_FILES, LARGE_SIZE), *old]
    assert Diffstat(small).warnings == []
    large = [*below("bin", LARGE_FILES + 1), *below("a/out", 1, LARGE_SIZE + 1)]
    [warning] = Diffstat([*small, *large]).warnings
    assert warning == (
        "large new folders, no result if a build wrote them: "
        "bin/ (51 files, 0 bytes), a/out/ (1 file, 5.0 MiB)"
    )
